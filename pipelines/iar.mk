# IAR on emoji: rearranged codebook and cluster loss. Tokenizer and tokens are the quick start's.
PIPELINE := iar
SHARED ?= $(home)/quickstart

# The method.
CLUSTER_SIZE ?= 32

PRESET ?= emoji-32
include $(dir $(lastword $(MAKEFILE_LIST)))$(PRESET).mk
include $(dir $(firstword $(MAKEFILE_LIST)))common.mk
