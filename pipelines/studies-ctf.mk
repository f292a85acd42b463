# The tables and figures of CTF's paper. Included by studies.mk. CTF has 512 coarse labels and a second model of the size of
# the first unless said otherwise; its two models have 17/30 of the baseline's steps each, which is less arithmetic.
TWO := MODEL_STEPS=$(call times,17,30) FINE_STEPS=$(call times,17,30)
pipeline-ctf := ctf
settings-ctf := CLUSTERS=512 $(TWO)
$(eval $(call arm,baseline-wide,llamagen-baseline,$(WIDE)))
$(eval $(call arm,ctf-wide,ctf,$(settings-ctf) $(WIDE)))
LABELS ?= 128 1024
$(foreach labels,$(LABELS),$(eval $(call arm,ctf-labels-$(labels),ctf,CLUSTERS=$(labels) $(TWO))))
FINE_LAYERS ?= 2 8
$(foreach layers,$(FINE_LAYERS),$(eval $(call arm,ctf-fine-$(layers),ctf,$(settings-ctf) 'FINE_SIZE=--layers $(layers)')))
$(foreach method,random agglomerative,$(eval $(call arm,ctf-$(method),ctf,$(settings-ctf) 'CODEBOOK_OPTIONS=--$(method)')))
$(call over_training,ctf,FINE_STEPS=$(longest))

studies += $(addprefix ctf-table-,1 2 3a 3b 3c 3d 3e 3f) ctf-section-5.5.2 ctf-fine-guidance ctf-figure-1b ctf-figure-2
of_arms += ctf-table-3a ctf-table-3b ctf-section-5.5.2

# Table 1: the baseline and CTF, in two sizes.
minutes-ctf-table-1 := 220
ctf-table-1: ctf-table-1-small ctf-table-1-wide
of_arms += ctf-table-1-small ctf-table-1-wide
ctf-table-1-small: arms = baseline ctf
ctf-table-1-wide: arms = baseline-wide ctf-wide

# Table 2 at the true sizes, on untrained weights: images per second, one image and 64 at a time. The 64 of GPT-XL take
# an hour in float32.
minutes-ctf-table-2 := 240
SPEED_SIZES ?= B L XL
# 64 images take a minute and more, and are drawn once.
SPEED_IMAGES ?= 1 64
SPEED_FORMATS ?= float32 bfloat16 int8
SPEED_THREADS ?= 2
bench ?= $(here)../.build/release/tessera-bench
speeds = $(foreach format,$(SPEED_FORMATS),$(foreach images,$(SPEED_IMAGES),$(foreach size,$(SPEED_SIZES),$(foreach \
  method,LlamaGen CTF,$(STUDIES)/speed/$(method)-$(size)-$(images).$(format).json))))
$(STUDIES)/speed/%.json:
	@mkdir -p $(@D)
	$(bench) --threads $(SPEED_THREADS) --runs 1 $(if $(findstring -64.,$*),--no-warm-up) --json --rows $(basename $*) \
	  --precision $(subst .,,$(suffix $*)) >$@.partial && mv $@.partial $@
ctf-table-2: $(speeds)
	$(PYTHON) $(here)tabulate.py row $(STUDIES)/speed/*.json --output $(RESULTS)/$@

# Table 3a: the number of coarse labels. 3b: the size of the second model. Section 5.5.2: how the labels are found.
minutes-ctf-table-3a := 80
ctf-table-3a: arms = ctf $(LABELS:%=ctf-labels-%)
ctf-table-3a: extra = held_out_coarse_loss held_out_fine_loss
minutes-ctf-table-3b := 90
ctf-table-3b: arms = ctf $(FINE_LAYERS:%=ctf-fine-%)
ctf-table-3b: extra = held_out_fine_loss
minutes-ctf-section-5.5.2 := 80
ctf-section-5.5.2: arms = ctf ctf-random ctf-agglomerative
ctf-section-5.5.2: extra = held_out_coarse_loss held_out_fine_loss

# Tables 3c to 3f: guidance, top-k of the second stage, temperature of the first and of the second; beyond the paper, guidance
# of the second. One model.
of_samples := ctf-table-3c ctf-table-3d ctf-table-3e ctf-table-3f ctf-fine-guidance
$(foreach name,$(of_samples),$(eval minutes-$(name) := 35))
$(of_samples): FORCE
	$(call run,ctf,GUIDANCES=$(firstword $(GUIDANCES)))
	$(call sampled,ctf,$(sampling),$(others))
ctf-table-3c: sampling = GUIDANCE 2 1.5 1.75 2.25 2.5
ctf-table-3d: sampling = FINE_TOP_K 0 1 32
ctf-table-3e: sampling = TEMPERATURE 1 0.8 0.9 1.1
ctf-table-3f: sampling = FINE_TEMPERATURE 1 0.8 0.9 1.1
ctf-fine-guidance: sampling = FINE_GUIDANCE 1 1.5 2 2.5
ctf-table-3d ctf-table-3e ctf-table-3f ctf-fine-guidance: others = GUIDANCE=2

# Figure 1b: generated images, their codes replaced by others of the same cluster, over the number of clusters.
minutes-ctf-figure-1b := 20
ctf-figure-1b: FORCE
	$(call run,baseline,SEEDS=$(firstword $(SEEDS)) GUIDANCES=$(firstword $(GUIDANCES)))
	$(codes_only) GENERATED=$(STUDIES)/baseline/$(firstword $(GUIDANCES))/seed-$(firstword $(SEEDS))/samples.tokens.zst generated
	$(PYTHON) $(here)tabulate.py clusters $(STUDIES)/codebook/generated/clusters-*.json --output $(RESULTS)/$@
	cp $(STUDIES)/codebook/generated.png $(RESULTS)/$@.png

# Figure 2: one training of each, looked at after several lengths.
minutes-ctf-figure-2 := 120
ctf-figure-2: FORCE
	$(call run,baseline-long ctf-long $(foreach steps,$(LENGTHS),baseline-at-$(steps) ctf-at-$(steps)))
	$(foreach steps,$(LENGTHS),$(call pair,baseline-at-$(steps) ctf-at-$(steps),$@-$(steps)) &&) true
