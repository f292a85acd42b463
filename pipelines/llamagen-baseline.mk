# LlamaGen's baseline on emoji: plain cross-entropy. Tokenizer and tokens are the quick start's.
PIPELINE := llamagen-baseline
SHARED ?= $(home)/quickstart

# The method.
CLUSTER_SIZE ?=

PRESET ?= emoji-32
include $(dir $(lastword $(MAKEFILE_LIST)))$(PRESET).mk
include $(dir $(firstword $(MAKEFILE_LIST)))common.mk
