# The headline comparisons: the methods against the baseline with 16,384 codes, five seeds, each method at several guidance
# scales, on two sets of images. `make headlines` in the repository, or `make -f pipelines/headlines.mk`, compares IAR and
# CTF after 1,500 steps; `make headlines-st-ar`, here st-ar, compares ST-AR and IAR with ST-AR after 500, for a step of
# them takes almost twice as long. Both take hours and go on where they were interrupted. SETTINGS are variables for all
# runs, as SETTINGS='THREADS=1'.
NAME ?= headlines
HEADLINES ?= out/$(NAME)
SEEDS ?= 0 1 2 3 4
GUIDANCES ?= 2.5 1.5 2 3.5
SETTINGS ?=
SETS ?= emoji wesnoth
METHODS ?= llamagen-baseline iar ctf
# Optimiser steps of the baseline.
STEPS ?= 1500
PYTHON ?= python3
here := $(dir $(lastword $(MAKEFILE_LIST)))

# What belongs to a set of images, and to a method.
emoji := DATA=data/emoji SHARED=$(HEADLINES)/emoji/shared
wesnoth := DATA=data/wesnoth/train SHARED=$(HEADLINES)/wesnoth/shared
llamagen-baseline :=
iar := CLUSTER_SIZE=128
ctf := CLUSTERS=512 $(foreach model,MODEL FINE,$(model)_STEPS=$(shell echo $$(($(STEPS) * 17 / 30))))
st-ar := VIEWS=flip TEMPERATURE=0.8
iar-st-ar := $(iar) $(st-ar)

.PHONY: all st-ar FORCE
all: $(SETS:%=set-%)

st-ar: FORCE
	+@$(MAKE) --no-print-directory -f $(firstword $(MAKEFILE_LIST)) all NAME=headlines-st-ar STEPS=500 GUIDANCES='2.5 1.5 3.5' \
	  METHODS='llamagen-baseline iar st-ar iar-st-ar'

set-%: FORCE
	@for method in $(METHODS); do $(MAKE) --no-print-directory -f $(firstword $(MAKEFILE_LIST)) run-$*-$$method || exit; done
	$(pair) --output docs/results/$(NAME)-$*
	$(pair) --output docs/results/$(NAME)-$*-reconstructions --choose 'reconstructions-fd-*' \
	  --figures 'reconstructions-fd-*' reconstructions-precision reconstructions-recall

# The second table has the samples against what the tokenizer gives back of the training images.
pair = $(PYTHON) $(here)paired.py --steps $(STEPS) $(foreach method,$(METHODS),$(method)='$(HEADLINES)/$*/$(method)')

run-%: FORCE
	$(PYTHON) $(here)sweep.py $(here)$(method).mk GUIDANCE $(GUIDANCES) --seeds $(SEEDS) \
	  --output $(HEADLINES)/$(set)/$(method) --settings PRESET=large-codebook MODEL_STEPS=$(STEPS) $($(set)) \
	  $($(method)) $(SETTINGS)
run-%: set = $(firstword $(subst -, ,$*))
run-%: method = $(patsubst $(set)-%,%,$*)
