# The tables and figures of IAR's paper in small, and the methods combined, in the regime of large-codebook.mk: 16,384
# codes, a short training. `make study-NAME` in the repository, or `make -f pipelines/studies.mk NAME`; without a name
# it lists them. Each study compares several arms, that is, methods with settings of their own. An arm is trained once
# per seed, whatever number of studies it is part of, and is sampled at several guidance scales, of which paired.py
# takes the best one. A study takes hours, goes on where it was interrupted, and writes its table as TSV and JSON into
# docs/results. SETTINGS are variables for all runs, as SETTINGS='THREADS=1'.
STUDIES ?= out/studies
RESULTS ?= docs/results
PRESET ?= large-codebook
SEEDS ?= 0 1 2
GUIDANCES ?= 2.5 1.5 2 3.5
SETTINGS ?=
PYTHON ?= python3
here := $(dir $(lastword $(MAKEFILE_LIST)))

.PHONY: help FORCE
.NOTPARALLEL:
help:
	@sed -n 's/^\(iar-[a-z0-9-]*\|methods-combined\):.*/\1/p' $(firstword $(MAKEFILE_LIST)) | uniq

# Arms: pipeline-NAME is the makefile, settings-NAME are its variables. IAR has clusters of 128 codes unless said otherwise.
CLUSTER_SIZE ?= 128
pipeline-baseline := llamagen-baseline
pipeline-iar := iar
settings-iar := CLUSTER_SIZE=$(CLUSTER_SIZE)

# The new order without the cluster loss: a weight of 0, so that the accuracy of clusters is in the report all the same.
pipeline-order-only := iar
settings-order-only := CLUSTER_SIZE=$(CLUSTER_SIZE) CLUSTER_WEIGHT=0
# The cluster loss without the new order: blocks of the codes as the tokenizer has them.
pipeline-loss-only := llamagen-baseline
settings-loss-only := 'METHOD_OPTIONS=--cluster-size $(CLUSTER_SIZE)'

pipeline-smoothing := llamagen-baseline
settings-smoothing := 'METHOD_OPTIONS=--label-smoothing 0.1'

CLUSTER_SIZES ?= 8 16 32 64 256 512
WEIGHTS ?= 0.1 0.25 0.5 0.75 1.5
ROUNDS ?= 1 3
define arm
pipeline-$(1) := $(2)
settings-$(1) := $(3)
endef
$(foreach size,$(CLUSTER_SIZES),$(eval $(call arm,iar-size-$(size),iar,CLUSTER_SIZE=$(size))))
$(foreach weight,$(WEIGHTS),$(eval $(call arm,iar-weight-$(weight),iar,$(settings-iar) CLUSTER_WEIGHT=$(weight))))
# Early stops of the balanced k-means, without the refinement that follows it.
$(foreach rounds,$(ROUNDS),$(eval $(call arm,iar-rounds-$(rounds),iar,$(settings-iar) \
  'CODEBOOK_OPTIONS=--no-refine --start random --maximum-iterations $(rounds)')))

# Lengths of training, for both methods.
LENGTHS ?= 375 750 1500 3000
$(foreach steps,$(LENGTHS),$(eval $(call arm,baseline-steps-$(steps),llamagen-baseline,MODEL_STEPS=$(steps))) \
  $(eval $(call arm,iar-steps-$(steps),iar,$(settings-iar) MODEL_STEPS=$(steps))))

# Table 2: two grids, two lengths, two sizes. Images of another side have a tokenizer of their own.
WIDE := MODEL_SIZE=--layers 8 --width 256 --heads 4
GRID := SIZE=48 SHARED=$(STUDIES)/shared-48
SHORT := MODEL_STEPS=750
$(foreach method,baseline iar,$(foreach grid,8 12,$(foreach size,small wide,$(foreach length,short long,$(eval $(call \
  arm,$(method)-$(grid)-$(size)-$(length),$(pipeline-$(method)),$(settings-$(method)) $(if $(filter 12,$(grid)),$(GRID)) $(if \
  $(filter wide,$(size)),'$(WIDE)') $(if $(filter short,$(length)),$(SHORT))))))))

# The other methods and the combinations, on the views of the preset. The two models of CTF share out the steps.
TWO := MODEL_STEPS=850 FINE_STEPS=850
VIEWS ?= flip
GUIDED := TEMPERATURE=0.8 VIEWS=$(VIEWS)
$(eval $(call arm,ctf,ctf,CLUSTERS=512 $(TWO)))
$(eval $(call arm,st-ar,st-ar,$(GUIDED)))
$(eval $(call arm,iar-st-ar,iar-st-ar,$(settings-iar) $(GUIDED)))
$(eval $(call arm,ctf-st-ar,ctf-st-ar,CLUSTERS=512 $(TWO) $(GUIDED)))
$(eval $(call arm,iar-ctf,iar-ctf,$(TWO)))
$(eval $(call arm,iar-ctf-st-ar,iar-ctf-st-ar,$(TWO) $(GUIDED)))

# Runs the arms one after another; what is there is not made again. A dry run shows the arms too.
run = +@for arm in $(1); do $(MAKE) --no-print-directory -f $(firstword $(MAKEFILE_LIST)) arm-$$arm || exit; done
arm-%: FORCE
	$(PYTHON) $(here)sweep.py $(here)$(pipeline-$*).mk GUIDANCE $(GUIDANCES) --seeds $(SEEDS) \
	  --output $(STUDIES)/$* --settings PRESET=$(PRESET) SHARED=$(STUDIES)/shared $(settings-$*) $(SETTINGS)

# A table: the arms at their best guidance, with the difference to the first and its interval.
pair = $(PYTHON) $(here)paired.py $(foreach arm,$(1),$(arm)='$(STUDIES)/$(arm)') --values $(GUIDANCES) \
  --output $(RESULTS)/$(2) $(3)
figures := held_out_loss 'fd-*' 'kd-*' 'is-*' precision recall
all_figures = --figures $(figures) $(1)
training := training_token_loss training_cluster_loss
clusters := codebook_inner_mse codebook_mean_distance
accuracies := held_out_cluster_top1 held_out_cluster_top5 held_out_token_top1 held_out_token_top5

# Table 2: IAR and its baseline over two grids, two sizes, two lengths; a table for each of the eight pairs.
pairs := $(foreach grid,8 12,$(foreach size,small wide,$(foreach length,short long,$(grid)-$(size)-$(length))))
iar-table-2: FORCE
	$(call run,$(foreach one,$(pairs),baseline-$(one) iar-$(one)))
	$(foreach one,$(pairs),$(call pair,baseline-$(one) iar-$(one),$@-$(one),$(call all_figures)) &&) true

# Table 3: neither, the loss without the order, the order without the loss, both.
iar-table-3: arms = baseline loss-only order-only iar
iar-table-3: extra = $(clusters)

# Table 4: codes in a cluster. A size of 1 is the baseline.
iar-table-4: arms = baseline $(CLUSTER_SIZES:%=iar-size-%) iar
iar-table-4: extra = $(clusters)

# Table 5: the weight of the cluster loss. A weight of 0 is the order alone.
iar-table-5: arms = baseline order-only $(WEIGHTS:%=iar-weight-%) iar

# Table A4 and Figure 4a: guidance, over all scales.
SCALES ?= 2.5 1 1.5 1.75 2 2.25 2.75 3.5
iar-table-a4: FORCE
	+@for arm in baseline iar; do \
	  $(MAKE) --no-print-directory -f $(firstword $(MAKEFILE_LIST)) arm-$$arm GUIDANCES='$(SCALES)' || exit; done
	$(PYTHON) $(here)compare.py $(foreach arm,baseline iar,$(foreach scale,$(sort $(SCALES)),\
	  $(arm)-$(scale)='$(STUDIES)/$(arm)/$(scale)/*/report.json')) --figures $(figures) --output $(RESULTS)/$@

# Table A5 and Figures 4c, A1 to A3: over the length of training, a table for each length. Each length is a training of its
# own with its own schedule.
iar-table-a5: FORCE
	$(call run,$(foreach steps,$(LENGTHS),baseline-steps-$(steps) iar-steps-$(steps)))
	$(foreach steps,$(LENGTHS),$(call pair,baseline-steps-$(steps) iar-steps-$(steps),$@-$(steps),$(call \
	  all_figures,$(training))) &&) true

# Table A6: accuracies on held-out tokens and clusters. The order alone stands for the baseline, from which it differs in
# the names of the codes only. A cluster is hit if its probability is the highest; in the paper, if the most probable token
# lies in it.
iar-table-a6: arms = order-only iar
iar-table-a6: extra = $(accuracies) held_out_cluster_loss

# Table A7: label smoothing in place of the cluster loss.
iar-table-a7: arms = baseline smoothing iar

# Table A8: the quality of the clusters, by the number of rounds of the balanced k-means.
iar-table-a8: arms = baseline $(ROUNDS:%=iar-rounds-%) iar
iar-table-a8: extra = $(clusters)

# Table A10 and the inner MSE of Table 4: distances in clusters, over cluster sizes and rounds. Nothing is trained.
iar-table-a10: FORCE
	$(MAKE) --no-print-directory -f $(here)code-distance.mk codebook-tables PRESET=$(PRESET) OUT=$(STUDIES)/codebook \
	  SHARED=$(STUDIES)/shared STOPPED_SIZE=$(CLUSTER_SIZE) $(SETTINGS)
	$(PYTHON) $(here)tabulate.py cluster_size $(STUDIES)/codebook/tables/size-*.json --output $(RESULTS)/$@-sizes
	$(PYTHON) $(here)tabulate.py iterations $(STUDIES)/codebook/tables/stop-*.json --output $(RESULTS)/$@-rounds

# All methods and their combinations, by steps; the seconds are in the table.
methods-combined: arms = baseline iar ctf st-ar iar-st-ar ctf-st-ar iar-ctf iar-ctf-st-ar
methods-combined: extra = training_seconds

# Tables of arms against the first of them.
methods-combined iar-table-3 iar-table-4 iar-table-5 iar-table-a6 iar-table-a7 iar-table-a8: FORCE
	$(call run,$(arms))
	$(call pair,$(arms),$@,$(call all_figures,$(extra)))
