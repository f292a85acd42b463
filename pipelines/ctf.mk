# CTF on emoji: coarse labels one after another, then all fine codes at once. Tokenizer and tokens are the quick start's.
PIPELINE := ctf
SHARED ?= $(home)/quickstart

# The method. The baseline's steps are shared out to the two models.
CLUSTERS ?= 32
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
