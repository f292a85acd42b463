# How a tokenizer's losses change its reconstructions and the samples of a model, on emoji and on Wesnoth's sprites. Included
# by studies.mk. Each arm trains a tokenizer per seed: on pixels alone, or with other losses too, at equal steps; and on
# pixels alone for as many seconds as the other losses take.
TOKENIZER_STEPS ?= 2000
TOKENIZER_SIZES ?= --model CPU-4 --channels 16 --multipliers 1,2,4 --batch-size 32 --optimizer muon --learning-rate 5e-3 \
  --schedule cosine --autoencoder-steps 100 --dead-code-interval 20 --precision bfloat16
# The network of the perceptual loss, and the side to which it has images scaled. It must not be the one that judges:
# SqueezeNet trains, EfficientNet-Lite0 judges.
PERCEPTUAL_NETWORK ?= data/weights/squeezenet-1.1.tensors.zst
PERCEPTUAL_SIZE ?= 64
JUDGE ?= efficientnet-lite0
perception = --perceptual-network $(PERCEPTUAL_NETWORK) --perceptual-size $(PERCEPTUAL_SIZE) --perceptual-weight $(1)
half := $(shell echo $$(($(TOKENIZER_STEPS) / 2)))
losses-pixels :=
losses-perceptual = $(call perception,0.2)
# A discriminator of patches starts when half of the training is over.
losses-adversarial = $(call perception,0.2) --adversarial-start $(half) --adversarial-weight 0.1 --adaptive-weight \
  --discriminator-learning-rate 3e-4 --discriminator-channels 32 --discriminator-layers 2
# All losses start then, and the discriminator looks at the network's features.
losses-late = $(call perception,0.1) --perceptual-start $(half) --adversarial-start $(half) --adversarial-weight 0.02 \
  --discriminator features --discriminator-learning-rate 2e-3
data-emoji := data/emoji
data-wesnoth := data/wesnoth/train

tokenizer_folder = $(STUDIES)/$(tokenizer_study)/$*
tokenizer_runs = '$(tokenizer_folder)/$(1)/seed-*/$(or $(2),tokenizer.json)'
# An arm: its name, the losses' name, the steps. What is run for each seed: the tokenizer alone, or a model on its tokens too.
of_tokenizers = for seed in $(SEEDS); do folder=$(tokenizer_folder)/$(1)/seed-$$seed; $(MAKE) --no-print-directory \
  -f $(here)$(pipeline).mk DATA=$(data-$*) SHARED=$$folder OUT=$$folder$(model_folder) SEED=$$seed TOKENIZER_STEPS=$(3) \
  METRIC_NETWORK=$(JUDGE) 'TOKENIZER_OPTIONS=$(TOKENIZER_SIZES) $(losses-$(2))' $(SETTINGS) || exit; done
# Pixels alone for as many seconds as an arm takes.
longer = steps=$$($(PYTHON) $(here)equal_time.py $(call tokenizer_runs,pixels) $(call tokenizer_runs,$(1)) \
  --steps $(TOKENIZER_STEPS)) && $(call of_tokenizers,pixels-longer,pixels,$$steps)
of_tokenizer_arms = $(PYTHON) $(here)compare.py $(foreach arm,$(1),$(arm)=$(call tokenizer_runs,$(arm),$(2))) \
  --figures $(3) --output $(RESULTS)/$@
reconstructed := held_out_psnr 'tokenizer-fd-*' 'tokenizer-kd-*' codebook_usage training_seconds training_steps

studies += tokenizer-losses late-losses tokenizer-samples
minutes-tokenizer-losses := 240
tokenizer-losses: tokenizer-losses-emoji tokenizer-losses-wesnoth
tokenizer-losses-%: tokenizer_study = tokenizer-losses
tokenizer-losses-%: pipeline = tokenizer
tokenizer-losses-%: model_folder =
tokenizer-losses-%: $(PERCEPTUAL_NETWORK) FORCE
	+@$(call of_tokenizers,pixels,pixels,$(TOKENIZER_STEPS))
	+@$(call of_tokenizers,perceptual,perceptual,$(TOKENIZER_STEPS))
	+@$(call of_tokenizers,adversarial,adversarial,$(TOKENIZER_STEPS))
	+@$(call longer,adversarial)
	$(call of_tokenizer_arms,pixels pixels-longer perceptual adversarial,,$(reconstructed))

# The losses in the second half alone, where pixels have little left to give.
minutes-late-losses := 150
late-losses: late-losses-emoji late-losses-wesnoth
define late_trainings
	+@$(call of_tokenizers,pixels,pixels,$(TOKENIZER_STEPS))
	+@$(call of_tokenizers,late,late,$(TOKENIZER_STEPS))
	+@$(call longer,late)
endef
late-losses-% tokenizer-samples-%: tokenizer_study = late-losses
late-losses-%: pipeline = tokenizer
late-losses-%: model_folder =
late-losses-%: $(PERCEPTUAL_NETWORK) FORCE
	$(late_trainings)
	$(call of_tokenizer_arms,pixels pixels-longer late,,$(reconstructed))

# What they do to samples: the baseline trained on the tokens of each of these tokenizers.
minutes-tokenizer-samples := 210
tokenizer-samples: tokenizer-samples-emoji tokenizer-samples-wesnoth
tokenizer-samples-%: pipeline = llamagen-baseline
tokenizer-samples-%: model_folder = /model
tokenizer-samples-%: late-losses-% FORCE
	$(late_trainings)
	$(call of_tokenizer_arms,pixels pixels-longer late,model/report.json,held_out_loss 'fd-*' 'kd-*' precision recall)

data/weights/%.tensors.zst:
	$(here)weights/make-weights.sh $(@D) $*
