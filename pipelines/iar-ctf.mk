# IAR with CTF on emoji: coarse labels are runs of equal length in the rearranged codebook, so that neighbouring labels are
# similar too, and the model of coarse labels has the cluster loss over blocks of labels.
PIPELINE := iar-ctf
SHARED ?= $(home)/quickstart

# The methods. The baseline's steps are shared out to the two models.
CODES_PER_LABEL ?= 32
LABELS_PER_CLUSTER ?= 4
MODEL_STEPS ?= 750
FINE_STEPS ?= 750
FINE_GUIDANCE ?= 1
FINE_TEMPERATURE ?= 0.8
FINE_TOP_K ?= 0
FINE_SAMPLE_OPTIONS ?= --fine-guidance $(FINE_GUIDANCE) --fine-temperature $(FINE_TEMPERATURE) \
  --fine-top-k $(FINE_TOP_K)

PRESET ?= emoji-32
include $(dir $(lastword $(MAKEFILE_LIST)))$(PRESET).mk
include $(dir $(firstword $(MAKEFILE_LIST)))common.mk
