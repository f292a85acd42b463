# The stages of coarse-to-fine prediction that a single model does without: coarse labels, the second model, the joint
# likelihood of both. Included by common.mk where CLUSTERS or CODES_PER_LABEL is set.

FINE_STEPS ?= $(MODEL_STEPS)
FINE_OPTIONS ?= $(MODEL_OPTIONS)
FINE_SIZE ?= $(MODEL_SIZE)
FINE_SAMPLE_OPTIONS ?=

coarse := $(OUT)/coarse.$(if $(CLUSTERS),tensors.zst,safetensors)
fine_settings := $(strip $(call length,$(FINE_STEPS)) $(FINE_OPTIONS) $(FINE_SIZE) $(TRAINING_OPTIONS) \
  $(call training,$(MODEL_EVALUATE_EVERY)) $(common))
$(eval $(call kept,$(OUT)/settings/fine,$(fine_settings)))

ifdef CLUSTERS
$(coarse): $(tokenizer) $(OUT)/settings/codebook
	$(call stage,codebook: similar codes get one coarse label)
	$(RUN) cluster-codebook $< $(codebook_settings) --log $(@D)/logs/codebook.jsonl --output $@
else
$(coarse): $(OUT)/mapping.tensors.zst $(OUT)/settings/labels
	$(call stage,coarse labels: runs of neighbours in the new order of the codes)
	$(PYTHON) $(here)coarse-labels.py $< --codes-per-label $(CODES_PER_LABEL) --output $@

$(eval $(call kept,$(OUT)/settings/labels,--codes-per-label $(CODES_PER_LABEL)))
endif

$(model_tokens): $(coarse) $(view_tokens)
	$(call stage,tokens as coarse labels)
	$(RUN) relabel-tokens $(view_tokens) --mapping $< $(common) --log $(@D)/logs/relabelling.jsonl --output $@

ifndef TAKEN_FROM
$(fine): $(view_tokens) $(coarse) $(OUT)/settings/fine
	$(call stage,fine model: a transformer with full attention learns all tokens at once from the coarse labels)
	$(RUN) train-fine $< --mapping $(coarse) $(fine_settings) --log $(@D)/logs/fine.jsonl --output $@
endif

$(OUT)/scores.json: $(tokens) $(model) $(fine)
	$(call stage,joint likelihood of held-out images)
	$(RUN) score-tokens $< --model $(model) --fine $(fine) --held-out $(HELD_OUT) $(common) --log $(@D)/logs/scores.jsonl \
	  >$@.partial && mv $@.partial $@

$(OUT)/fine-loss.png: $(fine)
	$(call stage,curves of the fine model)
	$(here)plot-losses.sh $(OUT)/logs/fine.jsonl $@

$(call parts_of,$(samples)) $(call parts_of,$(OUT)/metrics/samples.tokens.zst): $(fine)
$(OUT)/report.json: $(OUT)/scores.json
