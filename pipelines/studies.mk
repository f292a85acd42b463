# The tables and figures of the three papers in small, and the methods combined, in the regime of large-codebook.mk:
# 16,384 codes, a short training. `make study-NAME` in the repository, or `make -f pipelines/studies.mk NAME`; without a
# name it lists them, with the minutes that each takes alone on two cores. A study goes on where it was interrupted and
# writes its table as TSV and JSON into docs/results; docs/results.md sets it beside the paper's.
#
# Each study compares several arms, that is, methods with settings of their own. An arm is trained once per seed,
# whatever number of studies it is part of, and is sampled at several guidance scales, of which paired.py takes the best
# one. SETTINGS are variables for all runs, as SETTINGS='THREADS=1'. A shorter look: STEPS=300 SEEDS=0.
STUDIES ?= out/studies
RESULTS ?= docs/results
PRESET ?= large-codebook
SEEDS ?= 0 1 2
GUIDANCES ?= 2.5 1.5 2 3.5
SETTINGS ?=
PYTHON ?= python3
TOOLS ?= $(here)../.build/release
here := $(dir $(lastword $(MAKEFILE_LIST)))

# Optimiser steps of the baseline; all other lengths of training follow from it, unless they are given.
STEPS ?= 1500
times = $(shell echo $$(($(STEPS) * $(1) / $(2))))
# Lengths over which a training is looked at: 50, 100, 200 and 300 of the papers' epochs. All are multiples of the first,
# so that the losses are there at each of them.
LENGTHS ?= $(foreach part,1 2 4 6,$(shell echo $$(($(STEPS) / 6 * $(part)))))
LENGTHS := $(LENGTHS)

.PHONY: help FORCE
.NOTPARALLEL:
help:
	@$(foreach name,$(studies),printf '%-28s %5s min\n' $(name) $(minutes-$(name));)

# Arms: pipeline-NAME is the makefile, settings-NAME are its variables.
define arm
pipeline-$(1) := $(2)
settings-$(1) := $(3)
endef
comma := ,
space := $(subst x,,x x)
pipeline-baseline := llamagen-baseline
# A wider and deeper model, and half of the training.
WIDE := 'MODEL_SIZE=--layers 8 --width 256 --heads 4'
SHORT := MODEL_STEPS=$(call times,1,2)

# Runs the arms one after another; what is there is not made again. A dry run shows the arms too.
submake = $(MAKE) --no-print-directory -f $(firstword $(MAKEFILE_LIST))
run = +@$(fits) && for arm in $(1); do $(submake) arm-$$arm $(2) || exit; done
# A committed table of trainings of other lengths is found before the trainings, and not after them.
fits = $(PYTHON) $(here)paired.py --fits - --output $(RESULTS)/$@ --steps $(trained_steps)
trained_steps = $(STEPS)
sweep = $(PYTHON) $(here)sweep.py $(here)$(pipeline-$(1)).mk $(2) --seeds $(SEEDS)
run_settings = --settings PRESET=$(PRESET) SHARED=$(STUDIES)/shared MODEL_STEPS=$(STEPS) $(settings-$(1)) $(2) $(SETTINGS)
arm-%: FORCE
	$(call sweep,$*,GUIDANCE $(GUIDANCES)) --output $(STUDIES)/$* $(call run_settings,$*)

# Samples of an arm without guidance and at temperature 1, of the model that is there.
unguided-%: FORCE
	$(call sweep,$*,GUIDANCE 1) --output $(STUDIES)/unguided/$* --start-from $(STUDIES)/$*/$(firstword $(GUIDANCES)) \
	  $(call run_settings,$*,TEMPERATURE=1)

# The first arm's model, sampled for several values of a variable; its table is a study's.
sampled = $(call sweep,$(1),$(2)) --output $(STUDIES)/$@ --start-from $(STUDIES)/$(1)/$(firstword $(GUIDANCES)) \
  --table $(RESULTS)/$@ --figures $(figures) $(call run_settings,$(1),$(3))

# A table: the arms at their best guidance, with the difference to the first and its interval.
pair = $(PYTHON) $(here)paired.py $(foreach arm,$(1),$(arm)='$(STUDIES)/$(arm)') --values $(GUIDANCES) \
  --steps $(trained_steps) --variables STEPS=$(STEPS) GUIDANCES='$(GUIDANCES)' SEEDS='$(SEEDS)' \
  --output $(RESULTS)/$(2) --figures $(figures) $(3)
unguided_pair = $(PYTHON) $(here)paired.py $(foreach arm,$(1),$(arm)='$(STUDIES)/unguided/$(arm)') --values 1 \
  --steps $(or $(4),$(trained_steps)) --variables STEPS=$(STEPS) SEEDS='$(SEEDS)' --output $(RESULTS)/$(2) --figures $(figures) $(3)
figures := held_out_loss 'fd-*' 'kd-*' 'is-*' precision recall
training := training_token_loss training_cluster_loss

# An arm over training: one run at a constant learning rate, whose model is saved on the way. ARM-at-STEPS is the arm as it was
# after so many steps.
longest := $(lastword $(LENGTHS))
saving = 'TRAINING_OPTIONS=--schedule constant --save-at $(subst $(space),$(comma),$(strip $(LENGTHS)))'
looked_at = MODEL_STEPS=$(longest) MODEL_EVALUATE_EVERY=$(firstword $(LENGTHS)) $(saving)
over_training = $(eval $(call arm,$(1)-long,$(pipeline-$(1)),$(settings-$(1)) $(2) $(looked_at))) \
  $(foreach steps,$(LENGTHS),$(eval $(call arm,$(1)-at-$(steps),$(pipeline-$(1)),$(settings-$(1)) $(call taken,$(1),$(steps)))))
taken = 'TAKEN_FROM=$(STUDIES)/$(1)-long/$(firstword $(GUIDANCES))/seed-$$$$(SEED)' TAKEN_STEP=$(2)

include $(here)studies-iar.mk
include $(here)studies-ctf.mk
include $(here)studies-st-ar.mk
include $(here)studies-tokenizer.mk
include $(here)studies-optimizer.mk

# All methods and their combinations, by steps; the seconds are in the table.
studies += methods-combined
minutes-methods-combined := 440
methods-combined: arms = baseline iar ctf st-ar iar-st-ar ctf-st-ar iar-ctf iar-ctf-st-ar
methods-combined: extra = training_seconds

# Tables of arms against the first of them.
$(of_arms) methods-combined: FORCE
	$(call run,$(arms))
	$(call pair,$(arms),$@,$(extra))
