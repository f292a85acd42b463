# Ablations: a pipeline for several values of one variable, each for every seed, in one table. `make ablation-NAME` in
# the repository, or `make -f pipelines/ablations.mk NAME`. They take from minutes to hours, and go on where they were
# interrupted. SETTINGS are variables for all runs, as SETTINGS='MODEL_STEPS=300 THREADS=1'.
ABLATIONS ?= out/ablations
SEEDS ?= 0 1 2
SETTINGS ?=
PYTHON ?= python3
here := $(dir $(lastword $(MAKEFILE_LIST)))

sweep = $(PYTHON) $(here)sweep.py $(here)$(1).mk $(2) --seeds $(SEEDS) --output $(ABLATIONS)/$@ \
  --settings $(3) $(SETTINGS)
compare = $(PYTHON) $(here)compare.py --output $(ABLATIONS)/$@

.PHONY: help
help:
	@sed -n 's/^\(ctf-[a-z-]*\|st-ar-[a-z-]*\|methods\):.*$$/\1/p' $(firstword $(MAKEFILE_LIST))

# CTF, Table 3: the number of clusters; how they are found; the size of the second model; guidance, temperature and
# top-k of the stages.
ctf-clusters:
	$(call sweep,ctf,CLUSTERS 32 8 16 64 128)
ctf-method:
	$(call sweep,ctf,CODEBOOK_OPTIONS '' ' --random' ' --agglomerative')
ctf-fine-size:
	$(call sweep,ctf,FINE_SIZE '' ' --layers 2' ' --layers 8')
ctf-guidance:
	$(call sweep,ctf,GUIDANCE 2.5 1 1.5 2 3)
ctf-fine-guidance:
	$(call sweep,ctf,FINE_GUIDANCE 1 1.5 2 2.5)
ctf-temperature:
	$(call sweep,ctf,TEMPERATURE 0.8 0.7 0.9 1 1.1)
ctf-fine-temperature:
	$(call sweep,ctf,FINE_TEMPERATURE 0.8 0.7 0.9 1 1.1)
ctf-fine-top-k:
	$(call sweep,ctf,FINE_TOP_K 0 1 4 16)

# CTF, Table 2: images per second of the baseline and of CTF at two sizes. Speed does not wait for training.
ctf-speed: speed-llamagen-baseline speed-ctf
	$(compare) $(foreach name,$^,$(name)-4-layers='$(ABLATIONS)/$(name)/none/*/report.json' \
	  $(name)-8-layers='$(ABLATIONS)/$(name)/--layers*/*/report.json') --figures images_per_second
speed-%: FORCE
	$(call sweep,$*,MODEL_SIZE '' ' --layers 8 --width 384 --heads 6',MODEL_STEPS=2 FINE_STEPS=2)

# ST-AR beside the baseline: at equal steps, and with a baseline that trains for as long as ST-AR does, which is to be
# seen in the column of seconds. Both are trained on the same views.
ST_AR_STEPS ?= 1500
ST_AR_TIME ?= 3
understood = --figures training_seconds held_out_loss $(TEST_FIGURES) fd-* kd-* probe_top1 probe_balanced_top1 \
  $(addprefix attention_distance_,1 2 3 4)
TEST_FIGURES ?=
equal_steps = $(ABLATIONS)/st-ar-steps
equal_time = $(ABLATIONS)/st-ar-time
study = baseline='$(equal_steps)/none/*/report.json' baseline-longer='$(equal_time)/none/*/report.json' \
  st-ar='$(equal_steps)/--self-guided/*/report.json'
st-ar-study: st-ar-steps st-ar-time
	$(compare) $(study) $(understood)
	$(compare)-positions $(study) --figures $(addprefix probe_top1_at_,7 15 23 31 39 47 55 63)
	$(here)plot-probe.sh $(ABLATIONS)/$@.png \
	  $(equal_steps)/none/seed-$(firstword $(SEEDS))/probe.json=baseline \
	  $(equal_time)/none/seed-$(firstword $(SEEDS))/probe.json=baseline-longer \
	  $(equal_steps)/--self-guided/seed-$(firstword $(SEEDS))/probe.json=st-ar
st-ar-steps:
	$(call sweep,st-ar,METHOD_OPTIONS '' ' --self-guided',MODEL_STEPS=$(ST_AR_STEPS))
st-ar-time:
	$(call sweep,st-ar,METHOD_OPTIONS '',MODEL_STEPS=$$(($(ST_AR_STEPS) * $(ST_AR_TIME))))

# ST-AR, Tables 3 to 6: the losses; the share of hidden tokens; the depth of the contrasts, in quarters of four layers;
# the positions contrasted.
guided = $(foreach value,$(2),' --self-guided --$(1) $(value)')
guided_sweep = $(call sweep,st-ar,METHOD_OPTIONS $(1),MODEL_STEPS=$(ST_AR_STEPS))
guided_compare = $(compare) $(if $(filter st-ar-losses,$@),baseline='$(ABLATIONS)/$@/none/*/report.json') $(foreach value,$(1),$(value)='$(ABLATIONS)/$@/--self-guided_--$(2)_$(subst \
  $(comma),_,$(value))/*/report.json') $(understood)
comma := ,
losses := masked masked,step masked,view masked,step,view
st-ar-losses:
	$(call guided_sweep,'' $(call guided,self-guided-losses,$(losses)))
	$(call guided_compare,$(losses),self-guided-losses)
st-ar-mask-ratio:
	$(call guided_sweep,$(call guided,mask-ratio,0.15 0.25 0.35 0.45))
	$(call guided_compare,0.15 0.25 0.35 0.45,mask-ratio)
st-ar-depth:
	$(call guided_sweep,$(call guided,contrast-layer,1 2 3 4))
	$(call guided_compare,1 2 3 4,contrast-layer)
st-ar-positions:
	$(call guided_sweep,$(call guided,contrast-positions,2 4 8 16))
	$(call guided_compare,2 4 8 16,contrast-positions)

# The methods side by side, at the same number of training steps.
METHODS ?= llamagen-baseline iar ctf
methods: $(addprefix method-,$(METHODS))
	$(compare) $(foreach name,$(METHODS),$(name)='$(ABLATIONS)/method-$(name)/*/*/report.json')
method-%: FORCE
	$(call sweep,$*,MODEL_SIZE '')

.PHONY: FORCE methods $(shell sed -n 's/^\(ctf-[a-z-]*\|st-ar-[a-z-]*\):.*$$/\1/p' $(firstword $(MAKEFILE_LIST)))
FORCE:
