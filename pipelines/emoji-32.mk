# Emoji at 32 x 32 on two cores: the settings that the quick start, IAR and the baseline have in common, so that
# they differ in the method and in nothing else.

# Images and tokenizer.
DATA ?= data/emoji
SIZE ?= 32
TOKENIZER_STEPS ?= 1000
TOKENIZER_OPTIONS ?= --model CPU-4 --channels 16 --multipliers 1,2,4 --batch-size 32 --learning-rate 2e-3 \
  --schedule cosine --autoencoder-steps 200 --dead-code-interval 20

# Model.
MODEL_STEPS ?= 1500
MODEL_SIZE ?=
MODEL_OPTIONS ?= --model CPU-small --layers 4 --width 192 --batch-size 16 --learning-rate 3e-3 --schedule cosine \
  --warmup-steps 30 --dropout 0 $(MODEL_SIZE)

# Samples.
GUIDANCE ?= 2.5
TEMPERATURE ?= 0.8
SAMPLE_OPTIONS ?= --guidance $(GUIDANCE) --temperature $(TEMPERATURE)
PER_CLASS ?= 12
