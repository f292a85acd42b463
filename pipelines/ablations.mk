# Ablations: a pipeline for several values of one variable, each for every seed, in one table. `make ablation-NAME` in
# the repository, or `make -f pipelines/ablations.mk NAME`. They take from minutes to hours, and go on where they were
# interrupted. SETTINGS are variables for all runs, as SETTINGS='MODEL_STEPS=300 THREADS=1'.
ABLATIONS ?= out/ablations
SEEDS ?= 0 1 2
SETTINGS ?=
PYTHON ?= python3
here := $(dir $(lastword $(MAKEFILE_LIST)))

sweep = $(PYTHON) $(here)sweep.py $(here)$(1).mk $(2) --seeds $(SEEDS) --output $(ABLATIONS)/$@ --settings $(3) $(SETTINGS)
compare = $(PYTHON) $(here)compare.py --output $(ABLATIONS)/$@

.PHONY: help
help:
	@sed -n 's/^\(ctf-[a-z-]*\|methods\):.*$$/\1/p' $(firstword $(MAKEFILE_LIST))

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

# The methods side by side, at the same number of training steps.
METHODS ?= llamagen-baseline iar ctf
methods: $(addprefix method-,$(METHODS))
	$(compare) $(foreach name,$(METHODS),$(name)='$(ABLATIONS)/method-$(name)/*/*/report.json')
method-%: FORCE
	$(call sweep,$*,MODEL_SIZE '')

.PHONY: FORCE methods $(shell sed -n 's/^\(ctf-[a-z-]*\):.*$$/\1/p' $(firstword $(MAKEFILE_LIST)))
FORCE:
