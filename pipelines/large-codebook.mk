# The regime of IAR and CTF in small: 16,384 codes, of which a small model sees too few examples in a short training.
# The settings of the headline comparisons, which all methods have in common; docs/results/headlines.md has the results.

# Images and tokenizer.
DATA ?= data/emoji
SIZE ?= 32
TOKENIZER_STEPS ?= 1000
TOKENIZER_OPTIONS ?= --model CPU-4 --channels 16 --multipliers 1,2,4 --codes 16384 --batch-size 32 \
  --learning-rate 2e-3 --schedule cosine --autoencoder-steps 200 --dead-code-interval 20

# Model. Each image is seen as it is or mirrored.
VIEWS ?= flip
MODEL_STEPS ?= 1500
MODEL_OPTIONS ?= --model CPU-small --layers 4 --width 192 --batch-size 16 --learning-rate 3e-3 --schedule cosine \
  --warmup-steps 30 --dropout 0.1 --precision bfloat16

# Samples.
GUIDANCE ?= 2.5
TEMPERATURE ?= 0.8
SAMPLE_OPTIONS ?= --guidance $(GUIDANCE) --temperature $(TEMPERATURE)
PER_CLASS ?= 12
