# From a folder of images to pictures that a model has drawn: emoji at 32 x 32, by IAR.
PIPELINE := quickstart

# The method.
CLUSTER_SIZE ?= 32

PRESET ?= emoji-32
include $(dir $(lastword $(MAKEFILE_LIST)))$(PRESET).mk
include $(dir $(firstword $(MAKEFILE_LIST)))common.mk
