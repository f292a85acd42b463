# How a tokenizer's losses change its reconstructions. Included by studies.mk. Each arm trains a tokenizer per seed:
# pixels alone, with a perceptual loss, and with a discriminator too, at equal steps; and pixels alone for as many seconds
# as the last of them takes.
TOKENIZER_STEPS ?= 2000
TOKENIZER_SIZES ?= --model CPU-4 --channels 16 --multipliers 1,2,4 --batch-size 32 --learning-rate 2e-3 --schedule cosine \
  --autoencoder-steps 200 --dead-code-interval 20
# The network of the perceptual loss. It must not be the one that judges: SqueezeNet trains, EfficientNet-Lite0 judges.
PERCEPTUAL_NETWORK ?= data/weights/squeezenet-1.1.tensors.zst
JUDGE ?= efficientnet-lite0
# The discriminator starts when half of the training is over.
perception = --perceptual-network $(PERCEPTUAL_NETWORK)
adversary = --adversarial-start $(shell echo $$(($(TOKENIZER_STEPS) / 2))) --adversarial-weight 0.1 --adaptive-weight \
  --discriminator-channels 32 --discriminator-layers 2
losses-pixels :=
losses-perceptual = $(perception)
losses-adversarial = $(perception) $(adversary)

tokenizer_folder = $(STUDIES)/tokenizer-losses
tokenizer_runs = '$(tokenizer_folder)/$(1)/seed-*/tokenizer.json'
# An arm: its name, the losses' name, the steps.
train_tokenizers = for seed in $(SEEDS); do $(MAKE) --no-print-directory -f $(here)tokenizer.mk \
  OUT=$(tokenizer_folder)/$(1)/seed-$$seed SEED=$$seed TOKENIZER_STEPS=$(3) METRIC_NETWORK=$(JUDGE) \
  'TOKENIZER_OPTIONS=$(TOKENIZER_SIZES) $(losses-$(2))' $(SETTINGS) || exit; done

studies += tokenizer-losses
minutes-tokenizer-losses := 90
tokenizer-losses: $(PERCEPTUAL_NETWORK) FORCE
	+@$(call train_tokenizers,pixels,pixels,$(TOKENIZER_STEPS))
	+@$(call train_tokenizers,perceptual,perceptual,$(TOKENIZER_STEPS))
	+@$(call train_tokenizers,adversarial,adversarial,$(TOKENIZER_STEPS))
	@steps=$$($(PYTHON) $(here)equal_time.py $(call tokenizer_runs,pixels) $(call tokenizer_runs,adversarial) \
	  --steps $(TOKENIZER_STEPS)) && $(call train_tokenizers,pixels-longer,pixels,$$steps)
	$(PYTHON) $(here)compare.py $(foreach arm,pixels pixels-longer perceptual adversarial,$(arm)=$(call tokenizer_runs,$(arm))) \
	  --figures held_out_psnr 'tokenizer-fd-*' 'tokenizer-kd-*' codebook_usage training_seconds training_steps \
	  --output $(RESULTS)/$@

data/weights/%.tensors.zst:
	$(here)weights/make-weights.sh $(@D) $*
