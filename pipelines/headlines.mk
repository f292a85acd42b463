# The headline comparisons: IAR and CTF against the baseline with 16,384 codes, five seeds, each method at several
# guidance scales, on two sets of images. `make headlines` in the repository, or `make -f pipelines/headlines.mk`. It
# takes hours and goes on where it was interrupted. SETTINGS are variables for all runs, as SETTINGS='THREADS=1'.
HEADLINES ?= out/headlines
SEEDS ?= 0 1 2 3 4
GUIDANCES ?= 2.5 1.5 2 3.5
SETTINGS ?=
SETS ?= emoji wesnoth
METHODS ?= llamagen-baseline iar ctf
PYTHON ?= python3
here := $(dir $(lastword $(MAKEFILE_LIST)))

# What belongs to a set of images, and to a method.
emoji := DATA=data/emoji SHARED=$(HEADLINES)/emoji/shared
wesnoth := DATA=data/wesnoth/train SHARED=$(HEADLINES)/wesnoth/shared
llamagen-baseline :=
iar := CLUSTER_SIZE=128
ctf := CLUSTERS=512 MODEL_STEPS=850 FINE_STEPS=850

.PHONY: all FORCE
all: $(SETS:%=set-%)

set-%: FORCE
	@for method in $(METHODS); do $(MAKE) --no-print-directory -f $(firstword $(MAKEFILE_LIST)) run-$*-$$method || exit; done
	$(pair) --output docs/results/headlines-$*
	$(pair) --output docs/results/headlines-$*-reconstructions --choose 'reconstructions-fd-*' \
	  --figures 'reconstructions-fd-*' reconstructions-precision reconstructions-recall

# The second table has the samples against what the tokenizer gives back of the training images.
pair = $(PYTHON) $(here)paired.py $(foreach method,$(METHODS),$(method)='$(HEADLINES)/$*/$(method)')

run-%: FORCE
	$(PYTHON) $(here)sweep.py $(here)$(method).mk GUIDANCE $(GUIDANCES) --seeds $(SEEDS) \
	  --output $(HEADLINES)/$(set)/$(method) --settings PRESET=large-codebook $($(set)) $($(method)) $(SETTINGS)
run-%: set = $(firstword $(subst -, ,$*))
run-%: method = $(patsubst $(set)-%,%,$*)
