# What a model understands: how well linear probes tell the class from its features, and how far it looks. Included after
# common.mk by pipelines that ask for it; their reports have the figures.
ifdef coarse_to_fine
  $(error a model of coarse labels has no tokens that could be decoded: leave CLUSTERS and CODES_PER_LABEL out)
endif

# Images that resemble none of DATA, in a folder with the same classes: scored in place of held-out ones.
TEST_DATA ?=

# Further options of the two tools.
PROBE_OPTIONS ?=
ATTENTION_OPTIONS ?=

# Both look at the first view. IAR's model reads the new order.
probe_tokens := $(if $(CLUSTER_SIZE),$(model_tokens),$(tokens))
test_tokens := $(if $(TEST_DATA),$(if $(CLUSTER_SIZE),$(OUT),$(SHARED))/test.tokens.zst)
$(eval $(call kept,$(OUT)/settings/understanding,$(TEST_DATA) $(HELD_OUT) $(PROBE_OPTIONS) $(ATTENTION_OPTIONS) $(common)))

understanding := $(OUT)/probe.json $(OUT)/attention.json $(if $(TEST_DATA),$(OUT)/test-scores.json)
report_options = --understanding $(understanding)
pictures += $(OUT)/attention.png $(OUT)/probe.png
$(OUT)/report.json: $(understanding) $(OUT)/attention.png $(OUT)/probe.png

ifdef TEST_DATA
$(SHARED)/test.tokens.zst: $(tokenizer) | $(TEST_DATA)
	$(call stage,tokens of the test images)
	$(RUN) tokenize $(TEST_DATA) --tokenizer $< $(common) --log $(@D)/logs/test-tokens.jsonl --output $@

$(OUT)/test.tokens.zst: $(OUT)/mapping.tensors.zst $(SHARED)/test.tokens.zst
	$(call stage,tokens of the test images in the new order)
	$(RUN) relabel-tokens $(word 2,$^) --mapping $< $(common) --log $(@D)/logs/test-relabelling.jsonl --output $@

$(OUT)/test-scores.json: $(model) $(test_tokens)
	$(call stage,loss on the test images)
	$(RUN) score-tokens $(test_tokens) --model $< $(common) --log $(@D)/logs/test-scores.jsonl >$@.partial && mv $@.partial $@
endif

$(OUT)/probe.json: $(model) $(probe_tokens) $(test_tokens) $(OUT)/settings/understanding
	$(call stage,linear probes: what the features tell of the class)
	$(RUN) linear-probe $(probe_tokens) --model $< $(if $(TEST_DATA),--test $(test_tokens),--held-out $(HELD_OUT)) \
	  $(PROBE_OPTIONS) $(common) --log $(@D)/logs/probe.jsonl --output $@

$(OUT)/probe.png: $(OUT)/probe.json
	$(here)plot-probe.sh $@ $<

$(OUT)/attention.png $(OUT)/attention.json &: $(model) $(probe_tokens) $(test_tokens) $(model_tokenizer) \
  $(OUT)/settings/understanding
	$(call stage,attention: where the model looks)
	$(RUN) attention-maps $(or $(test_tokens),$(probe_tokens)) --model $< --tokenizer $(model_tokenizer) \
	  $(if $(TEST_DATA),,--held-out $(HELD_OUT)) $(ATTENTION_OPTIONS) $(common) --log $(OUT)/logs/attention.jsonl \
	  --output $(OUT)/attention.png --json >$(OUT)/attention.json.partial && mv $(OUT)/attention.json.partial $(OUT)/attention.json
