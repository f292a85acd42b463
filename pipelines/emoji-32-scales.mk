# Emoji at 32 x 32 on two cores, in scales of 1, 2, 3, 4, 6 and 8 tokens per side: the settings that VAR with and without IAR have
# in common.

# Images and tokenizer.
DATA ?= data/emoji
SIZE ?= 32
TOKENIZER_STEPS ?= 800
TOKENIZER_OPTIONS ?= --model CPU-VAR-4 --channels 16 --batch-size 32 --learning-rate 2e-3 --schedule cosine \
  --autoencoder-steps 200 --dead-code-interval 20

# Model.
MODEL_STEPS ?= 1300
MODEL_OPTIONS ?= --model CPU-VAR-small --layers 4 --width 128 --heads 4 --batch-size 16 --learning-rate 3e-3 --schedule cosine \
  --warmup-steps 30 --drop-path 0 --clip 2

# Samples.
GUIDANCE ?= 2.5
TEMPERATURE ?= 0.8
SAMPLE_OPTIONS ?= --guidance $(GUIDANCE) --temperature $(TEMPERATURE)
PER_CLASS ?= 12
