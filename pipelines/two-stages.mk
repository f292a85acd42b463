# What the pipelines with coarse-to-fine prediction have in common: the baseline's steps are shared out to the two models.
# Included by them in the place of common.mk, which it includes. The tokenizer is the quick start's.
SHARED ?= $(home)/quickstart

MODEL_STEPS ?= 600
FINE_STEPS ?= 600
FINE_GUIDANCE ?= 1
FINE_TEMPERATURE ?= 0.8
FINE_TOP_K ?= 0
FINE_SAMPLE_OPTIONS ?= --fine-guidance $(FINE_GUIDANCE) --fine-temperature $(FINE_TEMPERATURE) \
  --fine-top-k $(FINE_TOP_K)

PRESET ?= emoji-32
include $(dir $(firstword $(MAKEFILE_LIST)))$(PRESET).mk
include $(dir $(firstword $(MAKEFILE_LIST)))common.mk
