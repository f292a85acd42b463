# The tables and figures of IAR's paper. Included by studies.mk. IAR has clusters of 128 codes unless said otherwise.
# Variables of the pipelines have other names here: what the command line gives would reach every arm.
CODES_PER_CLUSTER ?= 128
pipeline-iar := iar
settings-iar := CLUSTER_SIZE=$(CODES_PER_CLUSTER)

# The new order without the cluster loss: a weight of 0, so that the accuracy of clusters is in the report all the same.
$(eval $(call arm,order-only,iar,$(settings-iar) CLUSTER_WEIGHT=0))
# The cluster loss without the new order: blocks of the codes as the tokenizer has them.
$(eval $(call arm,loss-only,llamagen-baseline,'METHOD_OPTIONS=--cluster-size $(CODES_PER_CLUSTER)'))
$(eval $(call arm,smoothing,llamagen-baseline,'METHOD_OPTIONS=--label-smoothing 0.1'))

CLUSTER_SIZES ?= 8 16 32 64 256 512
CLUSTER_WEIGHTS ?= 0.1 0.25 0.5 0.75 1.5
ROUNDS ?= 1 3
$(foreach size,$(CLUSTER_SIZES),$(eval $(call arm,iar-size-$(size),iar,CLUSTER_SIZE=$(size))))
$(foreach weight,$(CLUSTER_WEIGHTS),$(eval $(call arm,iar-weight-$(weight),iar,$(settings-iar) CLUSTER_WEIGHT=$(weight))))
# Early stops of the paper's balanced k-means, whose last round counts, without the refinement that follows it here.
$(foreach rounds,$(ROUNDS),$(eval $(call arm,iar-rounds-$(rounds),iar,$(settings-iar) \
  'CODEBOOK_OPTIONS=--no-refine --start random --last-iteration --maximum-iterations $(rounds)')))

# Images of another side have a tokenizer of their own.
GRID := SIZE=48 SHARED=$(STUDIES)/shared-48
$(foreach method,baseline iar,$(call over_training,$(method)))
pairs := $(foreach grid,8 12,$(foreach size,small wide,$(foreach length,short long,$(grid)-$(size)-$(length))))
# Two of the eight pairs are arms of other tables too, and have their names.
pair_of = $(patsubst %-8-wide-long,%-wide,$(patsubst %-8-small-long,%,baseline-$(1) iar-$(1)))
$(foreach method,baseline iar,$(foreach pair,$(filter-out 8-%-long,$(pairs)),$(eval $(call \
  arm,$(method)-$(pair),$(pipeline-$(method)),$(settings-$(method)) $(if $(filter 12-%,$(pair)),$(GRID)) $(if \
  $(findstring wide,$(pair)),$(WIDE)) $(if $(findstring short,$(pair)),$(SHORT))))))
$(eval $(call arm,iar-wide,$(pipeline-iar),$(settings-iar) $(WIDE)))

# VAR, whose tokens are of several scales, with its own tokenizer and steps; and a tokenizer as VQGAN's, whose codes are not
# scaled to length 1.
SCALES_OF_VAR := PRESET=emoji-32-scales SHARED=$(STUDIES)/shared-scales MODEL_STEPS=$(call times,13,15)
VQGAN := SHARED=$(STUDIES)/shared-vqgan 'TOKENIZER_OPTIONS=--model CPU-4 --channels 16 --multipliers 1,2,4 --codes 16384 \
  --no-normalize-codes --code-dimension 64 --batch-size 32 --learning-rate 2e-3 --schedule cosine --autoencoder-steps 200 \
  --dead-code-interval 20'
$(eval $(call arm,var,var,$(SCALES_OF_VAR)))
$(eval $(call arm,var-iar,var-iar,$(SCALES_OF_VAR)))
$(eval $(call arm,vqgan,llamagen-baseline,$(VQGAN)))
$(eval $(call arm,vqgan-iar,iar,$(settings-iar) $(VQGAN)))

studies += $(addprefix iar-table-,2 3 4 5 a3 a4 a5 a6 a7 a8 a9 a10) $(addprefix iar-figure-,2a 2b 4a 4b 4c a1 a2 a3)
clusters := $(addprefix codebook_,inner_mse mean_distance mean_squared_distance)

# Table 2: IAR and its baseline over two grids, two sizes, two lengths; a table for each of the eight pairs. Figure 4b is the
# same by size; Figures A1 and A2 are its training losses by size, for either grid.
minutes-iar-table-2 := 1400
iar-table-2: $(pairs:%=iar-table-2-%)
$(filter %-short,$(pairs:%=iar-table-2-%)): trained_steps = $(call times,1,2)
$(pairs:%=iar-table-2-%): iar-table-2-%: FORCE
	$(call run,$(call pair_of,$*))
	$(call pair,$(call pair_of,$*),$@,$(training))
iar-figure-4b iar-figure-a1 iar-figure-a2: iar-table-2

# Table 3: neither, the loss without the order, the order without the loss, both.
minutes-iar-table-3 := 180
iar-table-3: arms = baseline loss-only order-only iar
iar-table-3: extra = $(clusters)

# Table 4: codes in a cluster. A size of 1 is the baseline.
minutes-iar-table-4 := 360
iar-table-4: arms = baseline $(CLUSTER_SIZES:%=iar-size-%) iar
iar-table-4: extra = $(clusters)

# Table 5: the weight of the cluster loss. A weight of 0 is the order alone.
minutes-iar-table-5 := 360
iar-table-5: arms = baseline order-only $(CLUSTER_WEIGHTS:%=iar-weight-%) iar

# Table A3: the order and the cluster loss on VAR.
minutes-iar-table-a3 := 60
iar-table-a3: arms = var var-iar
iar-table-a3: extra = held_out_psnr
iar-table-a3: trained_steps = $(call times,13,15)

# Table A4 and Figure 4a: guidance, over all scales.
minutes-iar-table-a4 := 110
SCALES ?= 2.5 1 1.5 1.75 2 2.25 2.75 3.5
iar-table-a4: FORCE
	$(call run,baseline iar,GUIDANCES='$(SCALES)')
	$(PYTHON) $(here)compare.py $(foreach arm,baseline iar,$(foreach scale,$(sort $(SCALES)),\
	  $(arm)-$(scale)='$(STUDIES)/$(arm)/$(scale)/*/report.json')) --figures $(figures) \
	  --steps $(STEPS) --output $(RESULTS)/$@
iar-figure-4a: iar-table-a4

# Table A5 and Figure 4c: one training of each method, looked at after several
# lengths, with a table for each length.
minutes-iar-table-a5 := 120
iar-table-a5: FORCE
	$(call run,baseline-long iar-long $(foreach steps,$(LENGTHS),baseline-at-$(steps) iar-at-$(steps)))
	$(foreach steps,$(LENGTHS),$(call pair,baseline-at-$(steps) iar-at-$(steps),$@-$(steps),$(training)) &&) true
iar-figure-4c: iar-table-a5

# Figure A3: the token loss beside the distance, at the end of the trainings.
minutes-iar-figure-a3 := 90
iar-figure-a3: arms = baseline iar
iar-figure-a3: extra = $(training)

# Table A6: accuracies on held-out tokens and clusters, of models that are there for other tables too. The baseline's are
# scored by the clusters of IAR.
minutes-iar-table-a6 := 90
iar-table-a6: FORCE
	$(call run,baseline iar)
	PATH=$(abspath $(TOOLS)):$$PATH $(PYTHON) $(here)accuracies.py baseline='$(STUDIES)/baseline' iar='$(STUDIES)/iar' \
	  --value $(firstword $(GUIDANCES)) --tokens $(STUDIES)/shared/images.tokens.zst --output $(RESULTS)/$@

# Table A7: label smoothing in place of the cluster loss.
minutes-iar-table-a7 := 135
iar-table-a7: arms = baseline smoothing iar

# Table A8: the quality of the clusters, by the number of rounds of the balanced k-means.
minutes-iar-table-a8 := 180
iar-table-a8: arms = baseline $(ROUNDS:%=iar-rounds-%) iar
iar-table-a8: extra = $(clusters)

# Table A9, and Table A10's lines of VQGAN: both tokenizers, without and with IAR.
minutes-iar-table-a9 := 190
iar-table-a9: arms = baseline iar vqgan vqgan-iar
iar-table-a9: extra = held_out_psnr $(clusters)

# Tables of arms against the first of them, by studies.mk.
of_arms += $(addprefix iar-table-,3 4 5 a3 a7 a8 a9) iar-figure-a3

# Table A10 and the inner MSE of Table 4: distances in clusters, over cluster sizes and rounds. Nothing is trained but the
# tokenizer.
minutes-iar-table-a10 := 5
codes_only = $(MAKE) --no-print-directory -f $(here)code-distance.mk PRESET=$(PRESET) OUT=$(STUDIES)/codebook \
  SHARED=$(STUDIES)/shared STOPPED_SIZE=$(CODES_PER_CLUSTER) $(SETTINGS)
iar-table-a10: FORCE
	$(codes_only) TABLE_SIZES='$(sort $(CODES_PER_CLUSTER) $(CLUSTER_SIZES))' codebook-tables
	$(PYTHON) $(here)tabulate.py cluster_size $(STUDIES)/codebook/tables/size-*.json --output $(RESULTS)/$@-sizes
	$(PYTHON) $(here)tabulate.py iterations $(STUDIES)/codebook/tables/stop-*.json --output $(RESULTS)/$@-rounds
	$(PYTHON) $(here)tabulate.py order $(STUDIES)/codebook/tables/size-$(CODES_PER_CLUSTER).json --before-and-after \
	  --output $(RESULTS)/$@-order

# Figure 2: what a token costs that is replaced by its code's d-th nearest: in numbers, and as pictures.
minutes-iar-figure-2a := 5
minutes-iar-figure-2b := 2
SHOWN ?= 0 1 4 16 64 256 1024 4096
iar-figure-2a: FORCE
	$(codes_only) DISTANCES='$(SHOWN)' distances
	$(PYTHON) $(here)tabulate.py distance $(STUDIES)/codebook/pairs/distance-*.json --output $(RESULTS)/$@
iar-figure-2b: FORCE
	$(codes_only) SHOWN_DISTANCES='0 1 8 64 512 4096' pictures
	cp $(STUDIES)/codebook/pictures.png $(RESULTS)/$@.png

# A figure takes the minutes of the table that it is drawn from.
$(foreach name,4b a1 a2,$(eval minutes-iar-figure-$(name) := $(minutes-iar-table-2)))
minutes-iar-figure-4a := $(minutes-iar-table-a4)
minutes-iar-figure-4c := $(minutes-iar-table-a5)
