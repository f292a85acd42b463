# How a tokenizer's losses change its reconstructions, on emoji and on Wesnoth's sprites. Included by studies.mk. Each arm
# trains a tokenizer per seed: pixels alone, with a perceptual loss, and with a discriminator too, at equal steps; and pixels
# alone for as many seconds as the last of them takes.
TOKENIZER_STEPS ?= 2000
TOKENIZER_SIZES ?= --model CPU-4 --channels 16 --multipliers 1,2,4 --batch-size 32 --optimizer muon --learning-rate 5e-3 \
  --schedule cosine --autoencoder-steps 100 --dead-code-interval 20 --precision bfloat16
# The network of the perceptual loss, and the side to which it has images scaled. It must not be the one that judges:
# SqueezeNet trains, EfficientNet-Lite0 judges.
PERCEPTUAL_NETWORK ?= data/weights/squeezenet-1.1.tensors.zst
PERCEPTUAL_SIZE ?= 64
PERCEPTUAL_WEIGHT ?= 0.2
JUDGE ?= efficientnet-lite0
# The discriminator starts when half of the training is over.
perception = --perceptual-network $(PERCEPTUAL_NETWORK) --perceptual-size $(PERCEPTUAL_SIZE) \
  --perceptual-weight $(PERCEPTUAL_WEIGHT)
adversary = --adversarial-start $(shell echo $$(($(TOKENIZER_STEPS) / 2))) --adversarial-weight 0.1 --adaptive-weight \
  --discriminator-learning-rate 3e-4 --discriminator-channels 32 --discriminator-layers 2
losses-pixels :=
losses-perceptual = $(perception)
losses-adversarial = $(perception) $(adversary)
data-emoji := data/emoji
data-wesnoth := data/wesnoth/train

tokenizer_folder = $(STUDIES)/tokenizer-losses/$*
tokenizer_arms := pixels pixels-longer perceptual adversarial
tokenizer_runs = '$(tokenizer_folder)/$(1)/seed-*/$(or $(2),tokenizer.json)'
# An arm: its name, the losses' name, the steps. What is run for each seed: the tokenizer alone, or a model on its tokens too.
of_tokenizers = for seed in $(SEEDS); do folder=$(tokenizer_folder)/$(1)/seed-$$seed; $(MAKE) --no-print-directory \
  -f $(here)$(pipeline).mk DATA=$(data-$*) SHARED=$$folder OUT=$$folder$(model_folder) SEED=$$seed TOKENIZER_STEPS=$(3) \
  METRIC_NETWORK=$(JUDGE) 'TOKENIZER_OPTIONS=$(TOKENIZER_SIZES) $(losses-$(2))' $(SETTINGS) || exit; done
# All arms.
define tokenizer_trainings
	+@$(call of_tokenizers,pixels,pixels,$(TOKENIZER_STEPS))
	+@$(call of_tokenizers,perceptual,perceptual,$(TOKENIZER_STEPS))
	+@$(call of_tokenizers,adversarial,adversarial,$(TOKENIZER_STEPS))
	+@steps=$$($(PYTHON) $(here)equal_time.py $(call tokenizer_runs,pixels) $(call tokenizer_runs,adversarial) \
	  --steps $(TOKENIZER_STEPS)) && $(call of_tokenizers,pixels-longer,pixels,$$steps)
endef

studies += tokenizer-losses tokenizer-samples
minutes-tokenizer-losses := 240
tokenizer-losses: tokenizer-losses-emoji tokenizer-losses-wesnoth
tokenizer-losses-%: pipeline = tokenizer
tokenizer-losses-%: model_folder =
tokenizer-losses-%: $(PERCEPTUAL_NETWORK) FORCE
	$(tokenizer_trainings)
	$(PYTHON) $(here)compare.py $(foreach arm,$(tokenizer_arms),$(arm)=$(call tokenizer_runs,$(arm))) \
	  --figures held_out_psnr 'tokenizer-fd-*' 'tokenizer-kd-*' codebook_usage training_seconds training_steps \
	  --output $(RESULTS)/$@

# What they do to samples: the baseline trained on the tokens of each of them.
minutes-tokenizer-samples := 100
tokenizer-samples: tokenizer-samples-emoji tokenizer-samples-wesnoth
tokenizer-samples-%: pipeline = llamagen-baseline
tokenizer-samples-%: model_folder = /model
tokenizer-samples-%: tokenizer-losses-% FORCE
	$(tokenizer_trainings)
	$(PYTHON) $(here)compare.py $(foreach arm,$(tokenizer_arms),$(arm)=$(call tokenizer_runs,$(arm),model/report.json)) \
	  --figures held_out_loss 'fd-*' 'kd-*' precision recall --output $(RESULTS)/$@

data/weights/%.tensors.zst:
	$(here)weights/make-weights.sh $(@D) $*
