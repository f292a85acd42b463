# VAR on emoji: a tokenizer of several scales, and a model that predicts an image scale by scale.
PIPELINE := var

# The method: tokens of several scales, which a model reads with their tokenizer.
SCALES := yes
CLUSTER_SIZE ?=

PRESET ?= emoji-32-scales
include $(dir $(lastword $(MAKEFILE_LIST)))$(PRESET).mk
include $(dir $(firstword $(MAKEFILE_LIST)))common.mk
