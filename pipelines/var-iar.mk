# VAR and IAR together on emoji: a rearranged codebook of several scales, and the cluster loss. Tokenizer and tokens are those of
# the pipeline var.
PIPELINE := var-iar
SHARED ?= $(home)/var

# The methods.
SCALES := yes
CLUSTER_SIZE ?= 16

PRESET ?= emoji-32-scales
include $(dir $(lastword $(MAKEFILE_LIST)))$(PRESET).mk
include $(dir $(firstword $(MAKEFILE_LIST)))common.mk
