# Emoji at 32 x 32 on two cores: the settings that the quick start, IAR and the baseline have in common, so that
# they differ in the method and in nothing else.

# Images and tokenizer.
DATA ?= data/emoji
SIZE ?= 32
TOKENIZER_STEPS ?= 500
TOKENIZER_OPTIONS ?= --model CPU-4 --channels 16 --multipliers 1,2,4 --batch-size 32 --optimizer muon --learning-rate 5e-3 \
  --schedule cosine --autoencoder-steps 100 --dead-code-interval 20 --precision bfloat16

# Model.
MODEL_STEPS ?= 1200
MODEL_OPTIONS ?= --model CPU-small --layers 4 --width 192 --batch-size 16 --optimizer muon --learning-rate 5e-3 \
  --schedule cosine --warmup-steps 30 --dropout 0.1 --precision bfloat16

# Samples.
GUIDANCE ?= 2.5
TEMPERATURE ?= 0.8
SAMPLE_OPTIONS ?= --guidance $(GUIDANCE) --temperature $(TEMPERATURE)
PER_CLASS ?= 12
