# IAR, CTF and ST-AR together on emoji: coarse labels from the rearranged codebook, cluster loss over blocks of labels,
# self-guided training of the model of coarse labels.
PIPELINE := iar-ctf-st-ar

# What ST-AR adds.
VIEWS ?= ten-crop
METHOD_OPTIONS ?= --self-guided

include $(dir $(firstword $(MAKEFILE_LIST)))iar-ctf.mk
