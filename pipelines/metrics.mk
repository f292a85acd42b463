# The closing figures of an experiment: samples against training images, against held-out images, and against what the
# tokenizer gives back of the training images, of which a sample can be an exact copy. Included by common.mk.

# Network that looks at the images, and its weights; `pixels` and `tokenizer` need none.
METRIC_NETWORK ?= squeezenet-1.1
WEIGHTS ?= data/weights
METRIC_WEIGHTS ?= $(if $(filter-out pixels tokenizer,$(METRIC_NETWORK)),$(WEIGHTS)/$(METRIC_NETWORK).tensors.zst)

# A file that the samples are compared with in the place of the training images, such as ADM's reference of ImageNet, an
# .npz with mu, sigma and arr_0.
REFERENCE ?=

# Number of samples, exactly. Their classes have the shares that they have among the images.
METRIC_SAMPLES ?= 900

# The reference is looked at once for all pipelines that share it.
features := $(SHARED)/features/$(METRIC_NETWORK)
judged := $(OUT)/metrics/samples
compared := training $(if $(filter-out 0 0.0,$(HELD_OUT)),held-out) reconstructions
metrics := $(patsubst %,$(OUT)/metrics/%.json,$(compared)) $(features)/tokenizer.json
metric_logs := $(patsubst %,$(SHARED)/logs/%.jsonl,$(patsubst %,features-%,$(compared)) \
  metrics-tokenizer) $(patsubst %,$(OUT)/logs/metrics-%.jsonl,samples images features $(compared))

network := --network $(METRIC_NETWORK) $(if $(METRIC_WEIGHTS),--weights $(METRIC_WEIGHTS)) --tokenizer $(tokenizer)
network_files := $(METRIC_WEIGHTS) $(if $(filter tokenizer,$(METRIC_NETWORK)),$(tokenizer))
training_part := --reference-part training --held-out $(HELD_OUT)
reference = $(DATA) --size $(SIZE) $(decoding_options)
# What the samples are compared with first, and the images of it.
training_reference := $(or $(REFERENCE),$(features)/training.tensors.zst)
reference_images = $(or $(REFERENCE),$(reference) $(training_part))
held_out_part := --reference-part held-out --held-out $(HELD_OUT)
$(eval $(call kept,$(OUT)/settings/metrics,--count $(METRIC_SAMPLES) $(sampling_settings)))
$(eval $(call kept,$(OUT)/settings/network,$(network)))
$(eval $(call kept,$(OUT)/settings/reference,$(training_reference)))
$(eval $(call kept,$(features)/settings,$(DATA) $(strip --size $(SIZE) $(IMAGE_OPTIONS)) --held-out $(HELD_OUT) $(network)))

# Without weights nothing is computed and the report says so; once they are there, make goes on.
guard = $(if $(METRIC_WEIGHTS),rm -f $(1); [[ ! -e $(METRIC_WEIGHTS) ]] || )
# $(call extract,FILE,PREREQUISITES,HEADING,INPUT,LOG)
extract = $(call product,$(1),$(2),$(3),eval-metrics --$(4) $(network) $(common),--write-features,$(5),$(call guard,$$@))
# All metrics that the network has.
compare = $(call guard,$(4)){ $(RUN) eval-metrics --reference $(1) $(network) $(common) --json \
  --log $(2).jsonl $(3) >$(4).partial && mv $(4).partial $(4); }

$(WEIGHTS)/%.tensors.zst:
	$(call stage,weights of the network that looks at the images)
	@PIP_RETRIES=$${PIP_RETRIES-1} $(here)weights/make-weights.sh $(@D) $* || \
	  echo "no weights of $*: what needs them is left out; 'make weights' fetches them" >&2

# The reference, and how far the tokenizer alone is from it.
$(call extract,$(features)/training.tensors.zst,$(features)/settings $(network_files) | $(DATA) $(tokenizer),features of \
  the training images,reference $(reference) $(training_part),$(SHARED)/logs/features-training)

$(call extract,$(features)/held-out.tensors.zst,$(features)/settings $(network_files) | $(DATA) $(tokenizer),features of \
  the held-out images,reference $(reference) $(held_out_part),$(SHARED)/logs/features-held-out)

$(call extract,$(features)/reconstructions.tensors.zst,$(tokenizer) $(tokens) $(features)/settings $(network_files),features \
  of what the tokenizer gives back of the training images,reference $(tokens) $(training_part),$(SHARED)/logs/features-reconstructions)

$(features)/tokenizer.json: $(features)/training.tensors.zst $(features)/reconstructions.tensors.zst
	$(call stage,metrics: what the tokenizer gives back against training images)
	$(call compare,$< --samples $(word 2,$^),$(SHARED)/logs/metrics-tokenizer,,$@)

# The samples.
$(judged).labels: $(tokens) $(OUT)/settings/metrics
	@mkdir -p $(@D)
	show-file --tensor labels $< | awk -v count=$(METRIC_SAMPLES) -f $(here)draw-labels.awk >$@.partial && mv $@.partial $@

$(call product,$(judged).tokens.zst,$(model) $(judged).labels $(OUT)/settings/metrics,samples for the metrics,$(sampling) \
  --labels $(judged).labels $(sampling_settings),--output,$(OUT)/logs/metrics-samples)

$(judged).npz: $(judged).tokens.zst $(model_tokenizer)
	$(call stage,samples for the metrics as images)
	$(RUN) detokenize $< --tokenizer $(model_tokenizer) $(common) --log $(OUT)/logs/metrics-images.jsonl --npz $@

$(call extract,$(judged).tensors.zst,$(judged).npz $(OUT)/settings/network $(network_files) | $(tokenizer),features of the \
  samples,samples $(judged).npz,$(OUT)/logs/metrics-features)

$(OUT)/metrics/training.json $(OUT)/nearest.png &: $(judged).tensors.zst $(training_reference) $(OUT)/settings/reference | $(DATA)
	$(call stage,metrics: samples against $(or $(REFERENCE),training images))
	@rm -f $(OUT)/nearest.png
	$(call compare,$(training_reference) --samples $<,$(OUT)/logs/metrics-training,--nearest-sheet \
	  $(OUT)/nearest.png --samples-images $(judged).npz --reference-images $(reference_images) \
	  --nearest-samples 12 --enlarge $(ENLARGE),$(OUT)/metrics/training.json)

$(OUT)/metrics/%.json: $(judged).tensors.zst $(features)/%.tensors.zst
	$(call stage,metrics: samples against $*)
	$(call compare,$(word 2,$^) --samples $<,$(OUT)/logs/metrics-$*,,$@)
