# IAR, CTF and ST-AR together on emoji: coarse labels from the rearranged codebook, cluster loss over blocks of labels,
# self-guided training of the model of coarse labels.
PIPELINE := iar-ctf-st-ar
SHARED ?= $(home)/quickstart

# The methods. The baseline's steps are shared out to the two models.
CODES_PER_LABEL ?= 32
LABELS_PER_CLUSTER ?= 4
VIEWS ?= ten-crop
METHOD_OPTIONS ?= --self-guided
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
