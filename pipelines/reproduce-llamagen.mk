# LlamaGen's published figures from its released weights: 50,000 samples by the settings of its paper, at 256 pixels, against
# ADM's reference of ImageNet, with the published figure beside each.
#   make -f pipelines/reproduce-llamagen.mk MODEL=B SIZE=256 TOKENIZER_WEIGHTS=vq_ds16_c2i.pt MODEL_WEIGHTS=c2i_B_256.pt \
#     REFERENCE=VIRTUAL_imagenet256_labeled.npz METRIC_WEIGHTS=inception.tensors.zst
# The target `guidance-sweep` does it for GUIDANCES, and plots FID and inception score over the guidance scale.
MODEL ?= B
SIZE ?= 256
$(if $(filter B L XL XXL 3B,$(MODEL)),,$(error MODEL is B, L, XL, XXL or 3B; found $(MODEL)))
$(if $(filter 256 384,$(SIZE)),,$(error SIZE is 256 or 384; found $(SIZE)))

# Weights as they were released, and further options of import-weights.
TOKENIZER_WEIGHTS ?= vq_ds16_c2i.pt
MODEL_WEIGHTS ?= c2i_$(MODEL)_$(SIZE).pt
TOKENIZER_IMPORT ?=
MODEL_IMPORT ?= --grid $(if $(filter 256,$(SIZE)),16x16,24x24)

# ADM's reference, and the network that looks at the images.
REFERENCE ?= VIRTUAL_imagenet256_labeled.npz
METRIC_NETWORK ?= inception-v3
METRIC_WEIGHTS ?= $(if $(filter-out pixels tokenizer,$(METRIC_NETWORK)),data/weights/$(METRIC_NETWORK).tensors.zst)

# Samples. LlamaGen draws classes at random. Without GUIDANCE the scale is that of the preset, the best one of the paper.
METRIC_SAMPLES ?= 50000
CLASSES ?= --random-classes
EVALUATION_SIZE ?= 256
GUIDANCE ?=
SAMPLE_OPTIONS ?=
GUIDANCES ?= $(shell awk -F '\t' '$$1 == "$(MODEL)" && $$2 == $(SIZE) { print $$4 }' $(published))
SHOWN ?= 64

# Where things are. SHARED holds the imported weights, which the runs of a sweep have in common.
OUT ?= out/reproduce-llamagen/$(MODEL)-$(SIZE)
SHARED ?= $(OUT)
SEED ?= 0
THREADS ?=
PYTHON ?= python3
here := $(dir $(lastword $(MAKEFILE_LIST)))
TOOLS ?= $(here)../.build/release
published := $(here)published/llamagen.tsv

SHELL := /bin/bash
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all
.PHONY: all guidance-sweep clean FORCE

export PATH := $(abspath $(TOOLS)):$(PATH)
ifeq ($(wildcard $(TOOLS)/sample),)
  $(error no tools in $(TOOLS): run 'make build' in the repository, or give TOOLS=the folder that has them)
endif

threads := $(if $(THREADS),--threads $(THREADS))
common := $(strip --seed $(SEED) $(threads))
tokenizer := $(SHARED)/tokenizer.tensors.zst
model := $(SHARED)/model.tensors.zst
samples := $(OUT)/samples.tokens.zst
features := $(OUT)/samples.tensors.zst
sampling := $(strip --preset llamagen-c2i-$(MODEL)-$(SIZE) $(if $(GUIDANCE),--guidance $(GUIDANCE)) --count $(METRIC_SAMPLES) \
  $(CLASSES) $(SAMPLE_OPTIONS) $(common))
resizing := $(if $(filter-out $(EVALUATION_SIZE),$(SIZE)),--resize $(EVALUATION_SIZE))
network := $(strip --network $(METRIC_NETWORK) $(if $(METRIC_WEIGHTS),--weights $(METRIC_WEIGHTS)) \
  $(if $(filter tokenizer,$(METRIC_NETWORK)),--tokenizer $(tokenizer)))
network_files := $(METRIC_WEIGHTS) $(if $(filter tokenizer,$(METRIC_NETWORK)),$(tokenizer))

all: $(OUT)/report.json $(OUT)/samples.png

include $(here)shards.mk

# A heading, and the folders of a stage.
stage = @printf '\n== %s\n' '$(1)'; mkdir -p $(@D) $(OUT)/logs $(SHARED)/logs

# Settings are kept in a file which is made again when they change, and with it all that depends on it.
same = $(and $(findstring x$(1)x,x$(2)x),$(findstring x$(2)x,x$(1)x))
define kept
$(1): $(if $(call same,$(strip $(2)),$(strip $(file <$(1)))),,FORCE)
	@mkdir -p $$(@D); printf '%s\n' '$(strip $(2))' > $$@
endef
$(eval $(call kept,$(SHARED)/settings/tokenizer,$(TOKENIZER_WEIGHTS) $(TOKENIZER_IMPORT)))
$(eval $(call kept,$(SHARED)/settings/model,$(MODEL_WEIGHTS) $(MODEL_IMPORT)))
$(eval $(call kept,$(OUT)/settings/sample,$(sampling)))
$(eval $(call kept,$(OUT)/settings/images,$(resizing)))
$(eval $(call kept,$(OUT)/settings/metrics,$(REFERENCE) $(network)))

# Files that only the reader can have.
$(TOKENIZER_WEIGHTS) $(MODEL_WEIGHTS) $(REFERENCE):
	@echo "no $@: fetch it, or say where it is by TOKENIZER_WEIGHTS, MODEL_WEIGHTS or REFERENCE" >&2; exit 1
ifneq ($(METRIC_WEIGHTS),)
$(METRIC_WEIGHTS):
	@echo "no $@: make it by import-weights --as $(METRIC_NETWORK), or say where it is by METRIC_WEIGHTS" >&2; exit 1
endif

# Weights.
$(tokenizer): $(TOKENIZER_WEIGHTS) $(SHARED)/settings/tokenizer
	$(call stage,tokenizer)
	$(RUN) import-weights --as tokenizer $< $(TOKENIZER_IMPORT) $(threads) --log $(@D)/logs/tokenizer.jsonl --output $@

$(model): $(MODEL_WEIGHTS) $(tokenizer) $(SHARED)/settings/model
	$(call stage,model)
	$(RUN) import-weights --as ar-model $< --tokenizer $(tokenizer) $(MODEL_IMPORT) $(threads) \
	  --log $(@D)/logs/model.jsonl --output $@

# Samples.
$(call product,$(samples),$(model) $(OUT)/settings/sample,samples,sample --model $(model) $(sampling),--output,$(OUT)/logs/samples)

$(OUT)/samples.png: $(samples) $(tokenizer) $(OUT)/settings/images
	$(call stage,pictures of the first samples)
	$(RUN) detokenize $< --tokenizer $(tokenizer) --limit $(SHOWN) $(resizing) $(common) --log $(@D)/logs/pictures.jsonl --grid $@

$(OUT)/samples.npz: $(samples) $(tokenizer) $(OUT)/settings/images
	$(call stage,samples as images)
	$(RUN) detokenize $< --tokenizer $(tokenizer) $(resizing) $(common) --log $(@D)/logs/images.jsonl --npz $@

# Metrics.
$(call product,$(features),$(OUT)/samples.npz $(OUT)/settings/metrics $(network_files),features of the samples,eval-metrics \
  --samples $(OUT)/samples.npz $(network) $(common),--write-features,$(OUT)/logs/features)

$(OUT)/metrics.json: $(features) $(REFERENCE) $(OUT)/settings/metrics
	$(call stage,metrics: samples against the reference)
	$(RUN) eval-metrics --reference $(REFERENCE) --samples $< $(network) $(common) --json --log $(@D)/logs/metrics.jsonl \
	  >$@.partial && mv $@.partial $@

# Report.
$(OUT)/report.json: $(OUT)/metrics.json $(published) $(here)reproduction.py
	$(call stage,report: figures here beside the published ones)
	@$(PYTHON) $(here)reproduction.py $@ --metrics $< --samples $(OUT)/logs/samples.jsonl --published $(published) \
	  --model $(MODEL) --size $(SIZE)

# The runs are in OUT/guidance/SCALE/seed-SEED.
guidance-sweep: $(model)
	$(PYTHON) $(here)sweep.py $(firstword $(MAKEFILE_LIST)) GUIDANCE $(GUIDANCES) --seeds $(SEED) --from-nothing \
	  --settings SHARED=$(SHARED) MODEL=$(MODEL) SIZE=$(SIZE) --output $(OUT)/guidance --figures 'fd-*' 'sfd-*' 'is-*' precision recall
	$(PYTHON) $(here)guidance_plot.py $(OUT)/guidance.json --published $(published) --model $(MODEL) --size $(SIZE) \
	  --output $(OUT)/guidance

clean:
	rm -rf $(OUT)
