# CTF with ST-AR on emoji: the model of coarse labels is trained with self-guidance on two views of each image; the model of
# codes given the labels sees all of an image at once and has no use for it.
PIPELINE := ctf-st-ar
SHARED ?= $(home)/quickstart

# The methods. The baseline's steps are shared out to the two models.
CLUSTERS ?= 32
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
