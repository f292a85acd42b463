# IAR with CTF on emoji: coarse labels are runs of equal length in the rearranged codebook, so that neighbouring labels are
# similar too, and the model of coarse labels has the cluster loss over blocks of labels.
PIPELINE ?= iar-ctf

# The methods.
CODES_PER_LABEL ?= 32
LABELS_PER_CLUSTER ?= 4

include $(dir $(firstword $(MAKEFILE_LIST)))two-stages.mk
