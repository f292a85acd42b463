# IAR on emoji: rearranged codebook and cluster loss. Tokenizer and tokens are the quick start's.
PIPELINE := iar
SHARED ?= out/quickstart

# The method.
CLUSTER_SIZE ?= 32

# Images and tokenizer.
DATA ?= data/emoji
SIZE ?= 32
TOKENIZER_STEPS ?= 2000
TOKENIZER_OPTIONS ?= --model CPU-4 --channels 16 --multipliers 1,2,4 --batch-size 32 --learning-rate 2e-3 \
  --schedule cosine --autoencoder-steps 300 --dead-code-interval 50

# Model.
MODEL_STEPS ?= 1500
MODEL_OPTIONS ?= --model CPU-small --batch-size 32 --learning-rate 1e-3 --schedule cosine --warmup-steps 50

# Samples.
SAMPLE_OPTIONS ?= --guidance 2
PER_CLASS ?= 8

include $(dir $(lastword $(MAKEFILE_LIST)))common.mk
