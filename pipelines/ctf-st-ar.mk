# CTF with ST-AR on emoji: the model of coarse labels is trained with self-guidance on two views of each image; the model of
# codes given the labels sees all of an image at once and has no use for it.
PIPELINE := ctf-st-ar

# What ST-AR adds.
VIEWS ?= ten-crop
METHOD_OPTIONS ?= --self-guided

include $(dir $(firstword $(MAKEFILE_LIST)))ctf.mk
