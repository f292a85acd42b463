# The stages of an experiment: images -> tokens -> codebook -> model -> samples -> pictures -> metrics -> report.
#
# A pipeline sets the variables below and includes this file; docs/experiments.md explains. Every product appears
# whole or not at all, and training goes on from its checkpoint, so an interrupted make continues where it stopped.

# Where things are. SHARED holds the tokenizer and the tokens, which pipelines can have in common.
DATA ?= data/emoji
OUT ?= $(home)/$(PIPELINE)
SHARED ?= $(OUT)
here := $(dir $(lastword $(MAKEFILE_LIST)))
TOOLS ?= $(here)../.build/release
PYTHON ?= python3

# A tokenizer from elsewhere, which is used and not trained; further options of the tools that read images.
TOKENIZER ?=
IMAGE_OPTIONS ?=

# Results with the quick start's images, preset and tokenizer are in out. Those with others are in a folder of their own
# in it, so that they never overwrite the quick start's tokenizer.
folder_of = $(patsubst -%,%,$(subst /,-,$(patsubst data/%,%,$(patsubst %/,%,$(1)))))
names := $(filter-out emoji,$(call folder_of,$(DATA))) $(filter-out emoji-32 emoji-32-scales,$(PRESET)) \
  $(basename $(basename $(notdir $(TOKENIZER))))
space := $(subst x,,x x)
home := out$(if $(strip $(names)),/$(subst $(space),-,$(strip $(names))))

# What every pipeline has a say in; the options of the tools themselves are in *_OPTIONS.
SEED ?= 0
SHARED_SEED ?= $(SEED)
SIZE ?= 32
TOKENIZER_STEPS ?= 2000
MODEL_STEPS ?= 1500
EPOCHS ?=
HELD_OUT ?= 0.05
EVALUATE_EVERY ?= 100
MODEL_EVALUATE_EVERY ?= $(EVALUATE_EVERY)
CHECKPOINT_EVERY ?= 250
PER_CLASS ?= 8
SHOWN_CLASSES ?=
ENLARGE ?= 2
MODEL_SIZE ?=
THREADS ?=
METHOD_OPTIONS ?=

# Further options of every tool that trains a model, such as --save-at 500,1000; and where a model is one that another run
# saved on its way: the folder of that run, and the step.
TRAINING_OPTIONS ?=
TAKEN_FROM ?=
TAKEN_STEP ?=

# Views that the model is trained on, such as ten-crop; with none, the centre of each image, as for all else.
VIEWS ?=

SHELL := /bin/bash
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all
.PHONY: all clean FORCE

# Commands are printed without the tools' folder, as a user would type them.
export PATH := $(abspath $(TOOLS)):$(PATH)
ifeq ($(wildcard $(TOOLS)/train-ar),)
  $(error no tools in $(TOOLS): run 'make build' in the repository, or give TOOLS=the folder that has them)
endif

threads := $(if $(THREADS),--threads $(THREADS))
common := $(strip --seed $(SEED) $(threads))
# $(call training,STEPS BETWEEN SCORINGS)
training = $(strip --held-out $(HELD_OUT) --evaluate-every $(1) --checkpoint-every $(CHECKPOINT_EVERY) --resume)

tokenizer := $(or $(TOKENIZER),$(SHARED)/tokenizer.tensors.zst)
tokens := $(SHARED)/images.tokens.zst
model := $(OUT)/model.tensors.zst
samples := $(OUT)/samples.tokens.zst
view_tokens := $(if $(VIEWS),$(SHARED)/$(VIEWS).tokens.zst,$(tokens))

# The weight of the cluster loss, if not 1.
CLUSTER_WEIGHT ?=
weight := $(if $(CLUSTER_WEIGHT),--cluster-weight $(CLUSTER_WEIGHT))

# With a cluster size the model is IAR's: it learns the rearranged tokens, with the cluster loss. With a number of
# clusters it is the first of coarse-to-fine prediction's two: it learns coarse labels. With a number of codes per label it is
# that too, and the labels are runs of IAR's order; LABELS_PER_CLUSTER of them make a block of the cluster loss.
ifneq ($(strip $(CLUSTERS)$(CODES_PER_LABEL)),)
  $(if $(CLUSTER_SIZE),$(error give CLUSTERS or CODES_PER_LABEL, for CTF, or CLUSTER_SIZE, for IAR))
  $(if $(and $(CLUSTERS),$(CODES_PER_LABEL)),$(error give CLUSTERS, for CTF, or CODES_PER_LABEL, for CTF in IAR's order))
  coarse_to_fine := yes
  codebook_size := $(if $(CLUSTERS),--clusters $(CLUSTERS),--cluster-size $(shell \
    echo $$(($(CODES_PER_LABEL) * $(or $(LABELS_PER_CLUSTER),1)))))
  model_loss := $(if $(filter-out 1,$(LABELS_PER_CLUSTER)),--cluster-size $(LABELS_PER_CLUSTER) $(weight))
  model_tokenizer := $(tokenizer)
  model_tokens := $(OUT)/coarse.tokens.zst
  fine := $(OUT)/fine.tensors.zst
else ifdef CLUSTER_SIZE
  model_tokenizer := $(OUT)/rearranged.tensors.zst
  model_tokens := $(OUT)/rearranged.tokens.zst
  codebook_size := --cluster-size $(CLUSTER_SIZE)
  model_loss := --cluster-size $(CLUSTER_SIZE) $(weight)
else
  model_tokenizer := $(tokenizer)
  model_tokens := $(view_tokens)
endif

# Those of IMAGE_OPTIONS that say how a file becomes a picture; detokenize and eval-metrics make no views.
decoding_options := $(filter --allow-upscale --as-llamagen --as-stored --drop-alpha --clip-grey16,$(IMAGE_OPTIONS)) \
  $(shell grep -oE -e '--background[ =][^ ]+' <<<'$(IMAGE_OPTIONS)')

ifdef TOKENIZER
  tokenizer_settings := $(strip --size $(SIZE) $(IMAGE_OPTIONS) --tokenizer $(TOKENIZER))
else
  tokenizer_settings := $(strip --size $(SIZE) $(IMAGE_OPTIONS) --steps $(TOKENIZER_STEPS) $(TOKENIZER_OPTIONS) \
    $(call training,$(EVALUATE_EVERY)) --seed $(SHARED_SEED) $(threads))
endif
codebook_settings := $(strip $(codebook_size) $(CODEBOOK_OPTIONS) $(common))
length = $(if $(EPOCHS),--epochs $(EPOCHS),--steps $(1))
# A model of several scales reads sums of codes, and needs the tokenizer for them.
reading := $(if $(SCALES),--tokenizer $(model_tokenizer))
model_settings := $(strip $(model_loss) $(call length,$(MODEL_STEPS)) $(MODEL_OPTIONS) $(MODEL_SIZE) $(METHOD_OPTIONS) \
  $(TRAINING_OPTIONS) $(call training,$(MODEL_EVALUATE_EVERY)) $(common))
shown_settings := --per-class $(PER_CLASS) $(if $(SHOWN_CLASSES),--classes $(SHOWN_CLASSES))
sampling_settings := $(strip $(SAMPLE_OPTIONS) $(if $(fine),$(FINE_SAMPLE_OPTIONS)) $(common))
sampling := sample --model $(model)$(if $(fine), --fine $(fine))

all: $(OUT)/report.html

include $(here)shards.mk

# A heading, and the folders of a stage.
stage = @printf '\n== %s\n' '$(1)'; mkdir -p $(@D) $(OUT)/logs $(SHARED)/logs

# Settings are kept in a file which is made again when they change, and with it all that depends on it. The end of the line is not
# always cut off by GNU Make 4.3, which depends on lengths: what is read is stripped too.
same = $(and $(findstring x$(1)x,x$(2)x),$(findstring x$(2)x,x$(1)x))
define kept
$(1): $(if $(call same,$(strip $(2)),$(strip $(file <$(1)))),,FORCE)
	@mkdir -p $$(@D); printf '%s\n' '$(strip $(2))' > $$@
endef
$(eval $(call kept,$(SHARED)/settings/tokenizer,$(DATA) $(tokenizer_settings)))
$(eval $(call kept,$(OUT)/settings/codebook,$(codebook_settings)))
$(eval $(call kept,$(OUT)/settings/model,$(model_settings)))
$(eval $(call kept,$(OUT)/settings/sample,$(strip $(shown_settings) $(sampling_settings))))

# Images. A folder of one's own needs no script.
data/%:
	$(call stage,images)
	$(PYTHON) $(here)datasets/$*.py $@

data/%/train data/%/test:
	@printf '\n== images\n'
	$(PYTHON) $(here)datasets/$*.py data/$*

# Tokenizer and tokens.
ifdef TOKENIZER
$(tokenizer):
	@echo "no tokenizer $@: import one with import-weights, or leave TOKENIZER out to train one" >&2; exit 1

$(call parts_of,$(tokens)) $(if $(VIEWS),$(call parts_of,$(view_tokens))): $(SHARED)/settings/tokenizer
size := --size $(SIZE)
else
$(tokenizer): $(SHARED)/settings/tokenizer | $(DATA)
	$(call stage,tokenizer: a VQ autoencoder learns to turn images into tokens and back)
	$(RUN) train-tokenizer $(DATA) $(tokenizer_settings) --log $(@D)/logs/tokenizer.jsonl --output $@
endif

tokenize = tokenize $(DATA) --tokenizer $(tokenizer) $(strip $(size) $(IMAGE_OPTIONS))
$(call product,$(tokens),$(tokenizer) | $(DATA),tokens,$(tokenize) $(common),--output,$(SHARED)/logs/tokens)

ifdef VIEWS
$(call product,$(view_tokens),$(tokenizer) | $(DATA),tokens of several views,$(tokenize) --views $(VIEWS) \
  --seed $(SHARED_SEED) $(threads),--output,$(SHARED)/logs/$(VIEWS))
endif

$(SHARED)/reconstructions.png: $(tokenizer) $(tokens) | $(DATA)
	$(call stage,reconstructions: held-out originals above what their tokens give back)
	$(RUN) detokenize $(tokens) --tokenizer $(tokenizer) --held-out $(HELD_OUT) --every 3 --limit 128 --originals $(DATA) \
	  $(decoding_options) --columns 16 --enlarge $(ENLARGE) $(common) \
	  --log $(@D)/logs/reconstructions.jsonl --grid $@

# Codebook.
$(OUT)/rearranged.tensors.zst $(OUT)/mapping.tensors.zst &: $(tokenizer) $(OUT)/settings/codebook
	$(call stage,codebook: similar codes become neighbours)
	$(RUN) rearrange-codebook $< $(codebook_settings) --log $(@D)/logs/codebook.jsonl \
	  --output $(@D)/rearranged.tensors.zst --mapping $(@D)/mapping.tensors.zst

$(OUT)/rearranged.tokens.zst: $(OUT)/mapping.tensors.zst $(view_tokens)
	$(call stage,tokens in the new order)
	$(RUN) relabel-tokens $(view_tokens) --mapping $< $(common) --log $(@D)/logs/relabelling.jsonl --output $@

# Model.
ifdef TAKEN_FROM
$(model) $(fine): $(OUT)/%.tensors.zst: $(TAKEN_FROM)/%.tensors.zst $(model_tokens) $(here)saved_model.py
	$(call stage,$*: as it was after $(TAKEN_STEP) steps of $(TAKEN_FROM))
	$(PYTHON) $(here)saved_model.py $(TAKEN_FROM) $* $(TAKEN_STEP) $(@D)
else
$(model): $(model_tokens) $(OUT)/settings/model $(if $(SCALES),$(model_tokenizer))
	$(call stage,model: an autoregressive transformer learns to predict the tokens)
	$(RUN) train-ar $< $(strip $(reading) $(model_settings)) --log $(@D)/logs/model.jsonl --output $@
endif

# Samples.
$(call product,$(samples),$(model) $(OUT)/settings/sample,samples,$(sampling) $(shown_settings) \
  $(sampling_settings),--output,$(OUT)/logs/samples)

$(OUT)/samples.png: $(samples) $(model_tokenizer)
	$(call stage,pictures: a row a class)
	$(RUN) detokenize $< --tokenizer $(model_tokenizer) --row-per-class --enlarge $(ENLARGE) $(common) \
	  --log $(@D)/logs/pictures.jsonl --grid $@

# The stages that only coarse-to-fine prediction has.
ifdef coarse_to_fine
  include $(here)coarse-to-fine.mk
endif

# Metrics.
include $(here)metrics.mk

# Report.
logs = $(patsubst %,$(SHARED)/logs/%.jsonl,$(if $(TOKENIZER),,tokenizer) tokens reconstructions) \
  $(patsubst %,$(OUT)/logs/%.jsonl,$(if $(codebook_size),codebook relabelling) model \
  $(if $(fine),fine scores) samples pictures)
pictures = $(SHARED)/reconstructions.png $(patsubst %,$(OUT)/%.png,samples nearest loss $(if $(fine),fine-loss))

$(OUT)/loss.png: $(model)
	$(call stage,curves)
	$(here)plot-losses.sh $(OUT)/logs/model.jsonl $@

$(OUT)/report.json: $(pictures) $(metrics)
	$(call stage,report)
	@$(PYTHON) $(here)report.py $@ --logs $(logs) --metrics $(metrics) --metric-logs $(metric_logs) \
	  --pictures $(pictures) $(report_options)

# One page with everything, and the commands that led to the samples.
$(OUT)/report.html: $(OUT)/report.json
	@show-file --provenance $(samples) >$(@D)/provenance.txt
	@$(PYTHON) $(here)report_page.py $(@D) --output $@
	@echo "  $@"

clean:
	rm -rf $(OUT)
