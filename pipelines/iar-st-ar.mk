# IAR with ST-AR on emoji: rearranged codebook and cluster loss, trained with self-guidance on two views of each image.
PIPELINE := iar-st-ar
SHARED ?= $(home)/quickstart

# The methods.
CLUSTER_SIZE ?= 32
VIEWS ?= ten-crop
METHOD_OPTIONS ?= --self-guided

# Samples are judged without guidance, as in ST-AR's paper.
GUIDANCE ?= 1
TEMPERATURE ?= 1

PRESET ?= emoji-32
include $(dir $(lastword $(MAKEFILE_LIST)))$(PRESET).mk
include $(dir $(firstword $(MAKEFILE_LIST)))common.mk
include $(here)understanding.mk
