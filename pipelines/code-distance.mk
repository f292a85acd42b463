# What a wrong token costs: tokens replaced by their codes' d-th nearest (Figure 2 of IAR), and by random codes of
# their cluster for clusters from 1 code to all, which is a random code (Figure 1b of CTF); statistics of clusters
# (Tables A8, A10 and 4 of IAR). Tokenizer and tokens are the quick start's.
# Two further looks: at generated images whose codes change places in their cluster, and at how many tokens two near
# views of an image have in common (Figure 1c of ST-AR).
#   make -f pipelines/code-distance.mk code-distance codebook-tables
PIPELINE := code-distance
SHARED ?= $(home)/quickstart

# Powers of two up to the number of codes; early stops are numbers of iterations.
DISTANCES ?= 0 1 2 4 8 16 32 64 128 256 512
CLUSTER_SIZES ?= 1 2 4 8 16 32 64 128 256 512 1024
TABLE_SIZES ?= 1 2 4 8 16 32 64 128 256 512
EARLY_STOPS ?= 1 2 3 5 10 20 100
STOPPED_SIZE ?= 32
SHOWN_DISTANCES ?= 0 1 4 16 64 256
# LPIPS is added where these weights are there.
LPIPS_WEIGHTS ?= $(WEIGHTS)/lpips-alex.tensors.zst

PRESET ?= emoji-32
include $(dir $(lastword $(MAKEFILE_LIST)))$(PRESET).mk
include $(dir $(firstword $(MAKEFILE_LIST)))common.mk

.PHONY: code-distance codebook-tables distances pictures generated near-views
code-distance: $(OUT)/code-distance.png $(OUT)/pictures.png
distances: $(OUT)/distances.tsv
pictures: $(OUT)/pictures.png
codebook-tables: $(OUT)/cluster-sizes.tsv $(OUT)/early-stops.tsv

distances := $(DISTANCES:%=$(OUT)/pairs/distance-%.json)
clusters := $(CLUSTER_SIZES:%=$(OUT)/pairs/cluster-%.json)
lpips = $(if $(wildcard $(LPIPS_WEIGHTS)),--lpips-weights $(LPIPS_WEIGHTS))

# Replaced tokens. Codes change places and not their vectors, so the clusters' tokens have a tokenizer of their own.
$(OUT)/pairs/distance-%.tokens.zst: $(tokens) $(tokenizer)
	$(call stage,code distance $*)
	perturb-tokens $(tokens) --code-distance $* --tokenizer $(tokenizer) $(common) --output $@

$(OUT)/clusters/%.tokenizer.tensors.zst $(OUT)/clusters/%.mapping.tensors.zst &: $(tokenizer)
	$(call stage,clusters of $*)
	rearrange-codebook $(tokenizer) --cluster-size $* $(common) --output $(@D)/$*.tokenizer.tensors.zst \
	  --mapping $(@D)/$*.mapping.tensors.zst

$(OUT)/pairs/cluster-%.tokens.zst: $(OUT)/clusters/%.mapping.tensors.zst $(tokens)
	$(call stage,another code of the same cluster of $*)
	relabel-tokens $(tokens) --mapping $< $(common) | perturb-tokens - --same-cluster $< $(common) --output $@

# Held-out images, decoded and compared with their originals.
$(OUT)/pairs/distance-%.npz: $(OUT)/pairs/distance-%.tokens.zst $(tokenizer)
	detokenize $< --tokenizer $(tokenizer) --held-out $(HELD_OUT) $(common) --npz $@

$(OUT)/pairs/cluster-%.npz: $(OUT)/pairs/cluster-%.tokens.zst $(OUT)/clusters/%.tokenizer.tensors.zst
	detokenize $< --tokenizer $(word 2,$^) --held-out $(HELD_OUT) $(common) --npz $@

$(OUT)/pairs/%.json: $(OUT)/pairs/%.npz | $(DATA)
	eval-metrics --pairs --reference $(DATA) --size $(SIZE) $(decoding_options) $(held_out_part) --samples $< $(lpips) $(common) \
	  --json >$@.partial && mv $@.partial $@

# Tables and plot.
$(OUT)/distances.tsv: $(distances)
	$(PYTHON) $(here)tabulate.py distance $^ >$@

$(OUT)/clusters.tsv: $(clusters)
	$(PYTHON) $(here)tabulate.py cluster_size $^ >$@

$(OUT)/code-distance.png: $(OUT)/distances.tsv $(OUT)/clusters.tsv
	$(call stage,plot)
	$(here)plot-code-distance.sh $^ $@

# A row a distance, of the same images.
$(OUT)/pictures.tokens.zst: $(tokenizer) | $(DATA)
	$(call stage,pictures)
	rm -rf $(OUT)/shown; mkdir -p $(OUT)/shown
	find $(abspath $(DATA)) -name '*.png' | LC_ALL=C sort | awk 'NR % 280 == 140' | head -12 | xargs ln -s -t $(OUT)/shown
	tokenize $(OUT)/shown --tokenizer $(tokenizer) $(common) --output $@

$(OUT)/pictures.png: $(OUT)/pictures.tokens.zst $(tokenizer)
	for distance in $(SHOWN_DISTANCES); do \
	  perturb-tokens $< --code-distance $$distance --tokenizer $(tokenizer) $(common) || exit; done | \
	  detokenize - --tokenizer $(tokenizer) --columns 12 --enlarge 2 $(common) --grid $@

# Clusters: their inner error and the distances of codes in them, over sizes, and over iterations without refinement.
$(OUT)/tables/size-%.json: $(tokenizer)
	@mkdir -p $(@D)
	rearrange-codebook $< --cluster-size $* $(common) --json >$@.partial && mv $@.partial $@

$(OUT)/tables/stop-%.json: $(tokenizer)
	@mkdir -p $(@D)
	rearrange-codebook $< --cluster-size $(STOPPED_SIZE) --no-refine --start random --last-iteration \
	  --maximum-iterations $* $(common) --json >$@.partial && mv $@.partial $@

$(OUT)/cluster-sizes.tsv: $(TABLE_SIZES:%=$(OUT)/tables/size-%.json)
	$(PYTHON) $(here)tabulate.py cluster_size $^ | tee $@

$(OUT)/early-stops.tsv: $(EARLY_STOPS:%=$(OUT)/tables/stop-%.json)
	$(PYTHON) $(here)tabulate.py iterations $^ | tee $@

# Generated images: twelve of GENERATED, a file of samples with a multiple of twelve of them, and under them the same with each
# code replaced by another one of its cluster, for several numbers of k-means clusters. They are compared with the images as
# they were generated.
GENERATED ?=
GENERATED_CLUSTERS ?= 128 512 2048 4096
generated_rows := original $(GENERATED_CLUSTERS:%=clusters-%)
generated: $(GENERATED_CLUSTERS:%=$(OUT)/generated/clusters-%.json) $(OUT)/generated.png

$(OUT)/generated/original.tokens.zst: $(GENERATED)
	@mkdir -p $(@D)
	cp $< $@

$(OUT)/generated/clusters-%.tokens.zst: $(tokenizer) $(GENERATED)
	$(call stage,another code of the same of $* clusters)
	cluster-codebook $< --clusters $* $(common) --output $(@D)/clusters-$*.tensors.zst
	perturb-tokens $(GENERATED) --same-cluster $(@D)/clusters-$*.tensors.zst $(common) --output $@

$(OUT)/generated/%.npz: $(OUT)/generated/%.tokens.zst $(tokenizer)
	detokenize $< --tokenizer $(tokenizer) $(common) --npz $@

$(OUT)/generated/clusters-%.json: $(OUT)/generated/original.npz $(OUT)/generated/clusters-%.npz
	eval-metrics --pairs --reference $< --samples $(word 2,$^) $(lpips) $(common) --json >$@.partial && mv $@.partial $@

$(OUT)/generated.png: $(generated_rows:%=$(OUT)/generated/%.tokens.zst) $(tokenizer)
	$(call stage,pictures of generated images)
	every=$$(show-file --tensor labels $(GENERATED) | awk '!/^#/ { count += NF } END { print int(count / 12) }'); \
	  cat $(generated_rows:%=$(OUT)/generated/%.tokens.zst) | detokenize - --tokenizer $(tokenizer) --every $$every \
	  --columns 12 --enlarge 2 $(common) --grid $@

# Near views: crops of a square that is a twentieth larger, at the corners and in the centre, of one image in ten.
NEAR_EVERY ?= 10
near-views: $(OUT)/near-views.json
$(OUT)/near-views.tokens.zst: $(tokenizer) | $(DATA)
	$(call stage,tokens of near views)
	find $(DATA) -name '*.png' | LC_ALL=C sort | awk 'NR % $(NEAR_EVERY) == 0' | \
	  tokenize - --tokenizer $< --views ten-crop --ten-crop-ratio 1.05 $(IMAGE_OPTIONS) $(common) --output $@

$(OUT)/near-views.json: $(OUT)/near-views.tokens.zst
	show-file --compare-views --json $< >$@.partial && mv $@.partial $@
