# ST-AR on emoji: self-guided training on two views of each image. The tokenizer is the quick start's.
PIPELINE := st-ar
SHARED ?= $(home)/quickstart

# The method.
VIEWS ?= ten-crop
METHOD_OPTIONS ?= --self-guided

# Samples are judged without guidance, as in the paper.
GUIDANCE ?= 1
TEMPERATURE ?= 1

PRESET ?= emoji-32
include $(dir $(lastword $(MAKEFILE_LIST)))$(PRESET).mk
include $(dir $(firstword $(MAKEFILE_LIST)))common.mk
include $(here)understanding.mk
