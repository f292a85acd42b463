# Fine-tuning on other images against training from scratch: in how many steps does a model of emoji reach the loss that a
# new model reaches on Wesnoth's images? `make fine-tuning` in the repository, or `make -f pipelines/fine-tuning.mk`. Both see
# the same tokens, of the tokenizer of the first images, in the same order; only the start and the number of steps differ.
FINE_TUNING ?= out/fine-tuning
SOURCE ?= data/emoji
TARGET ?= data/wesnoth/train
SEEDS ?= 0 1 2
STEPS ?= 1500
TUNED_STEPS ?= 500
EVALUATE_EVERY ?= 25
PYTHON ?= python3
RESULTS ?= docs/results
PRESET ?= large-codebook
MODEL_SIZE ?= --model CPU-small --layers 4 --width 192
TRAINING ?= --batch-size 16 --learning-rate 3e-3 --schedule cosine --warmup-steps 30 --dropout 0.1 --precision bfloat16
here := $(dir $(lastword $(MAKEFILE_LIST)))
source := $(FINE_TUNING)/source
tokenizer := $(source)/shared/tokenizer.tensors.zst

.PHONY: all FORCE
.SECONDARY:
all: FORCE
	+@for seed in $(SEEDS); do for start in scratch tuned; do \
	  $(MAKE) --no-print-directory -f $(firstword $(MAKEFILE_LIST)) $(FINE_TUNING)/$$start/seed-$$seed/model.tensors.zst \
	    || exit; done; done
	$(PYTHON) $(here)fine_tuning.py $(FINE_TUNING) --seeds $(SEEDS) --output $(RESULTS)/fine-tuning

# The target of a pipeline alone: the model, with what it needs, and no samples.
model = +$(MAKE) --no-print-directory -f $(here)llamagen-baseline.mk PRESET=$(PRESET) OUT=$(@D) SEED=$* SHARED_SEED=0 MODEL_SIZE=
other = EVALUATE_EVERY=$(EVALUATE_EVERY) DATA=$(TARGET) TOKENIZER=$(tokenizer) SHARED=$(FINE_TUNING)/shared

$(source)/seed-%/model.tensors.zst: FORCE
	$(model) DATA=$(SOURCE) SHARED=$(source)/shared MODEL_STEPS=$(STEPS) MODEL_OPTIONS='$(MODEL_SIZE) $(TRAINING)' $@

$(FINE_TUNING)/scratch/seed-%/model.tensors.zst: $(source)/seed-%/model.tensors.zst FORCE
	$(model) $(other) MODEL_STEPS=$(STEPS) MODEL_OPTIONS='$(MODEL_SIZE) $(TRAINING)' $@

$(FINE_TUNING)/tuned/seed-%/model.tensors.zst: $(source)/seed-%/model.tensors.zst FORCE
	$(model) $(other) MODEL_STEPS=$(TUNED_STEPS) \
	  MODEL_OPTIONS='--initial $(source)/seed-$*/model.tensors.zst --initial-classes new $(TRAINING)' $@
