# LlamaGen's baseline on emoji: plain cross-entropy. Tokenizer and tokens are the quick start's.
PIPELINE := llamagen-baseline
SHARED ?= out/quickstart

# The method.
CLUSTER_SIZE ?=

include $(dir $(lastword $(MAKEFILE_LIST)))emoji-32.mk
include $(dir $(firstword $(MAKEFILE_LIST)))common.mk
