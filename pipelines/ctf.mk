# CTF on emoji: coarse labels one after another, then all fine codes at once.
PIPELINE ?= ctf

# The method.
CLUSTERS ?= 32

include $(dir $(firstword $(MAKEFILE_LIST)))two-stages.mk
