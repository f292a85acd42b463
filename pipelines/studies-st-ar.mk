# The tables and figures of ST-AR's paper, and the methods combined with it. Included by studies.mk. All arms are trained on
# the same views; the baseline sees one of them per image and step, ST-AR two. Reports have probes and attention.
ST_AR_VIEWS ?= flip
GUIDED := TEMPERATURE=0.8 VIEWS=$(ST_AR_VIEWS)
$(eval $(call arm,st-ar,st-ar,$(GUIDED)))
$(eval $(call arm,st-ar-base,st-ar,$(GUIDED) METHOD_OPTIONS=))
$(eval $(call arm,iar-st-ar,iar-st-ar,$(settings-iar) $(GUIDED)))
$(eval $(call arm,ctf-st-ar,ctf-st-ar,$(settings-ctf) $(GUIDED)))
$(eval $(call arm,iar-ctf,iar-ctf,$(TWO)))
$(eval $(call arm,iar-ctf-st-ar,iar-ctf-st-ar,$(TWO) $(GUIDED)))
$(foreach one,st-ar st-ar-base,$(eval $(call arm,$(one)-short,st-ar,$(settings-$(one)) $(SHORT))) \
  $(eval $(call arm,$(one)-wide,st-ar,$(settings-$(one)) $(WIDE))))
first_runs = '$(STUDIES)/$(1)/$(firstword $(GUIDANCES))/*/report.json'
# The baseline for as long as ST-AR takes, by the seconds that both took at equal steps.
$(eval $(call arm,st-ar-base-longer,st-ar,$(settings-st-ar-base) \
  MODEL_STEPS=$$$$($(PYTHON) $(here)equal_time.py $(call first_runs,st-ar-base) $(call first_runs,st-ar) --steps $(STEPS))))

# Arms that differ in one option of train-ar.
guided = $(eval $(call arm,$(1),st-ar,$(GUIDED) 'METHOD_OPTIONS=--self-guided --$(2)'))
$(foreach losses,masked masked-step masked-view,\
  $(call guided,st-ar-$(losses),self-guided-losses $(subst -,$$(comma),$(losses))))
RATIOS ?= 0.15 0.35 0.45
$(foreach ratio,$(RATIOS),$(call guided,st-ar-ratio-$(ratio),mask-ratio $(ratio)))
# Quarters of the four layers; the half is the default.
DEPTHS ?= 1 3 4
$(foreach depth,$(DEPTHS),$(call guided,st-ar-depth-$(depth),contrast-layer $(depth)))
POSITIONS ?= 2 8 16
$(foreach count,$(POSITIONS),$(call guided,st-ar-positions-$(count),contrast-positions $(count)))

studies += $(addprefix st-ar-table-,1 2 3 4 5 6) $(addprefix st-ar-figure-,1a 1b 1c 2 4 5) st-ar-headline
understood := probe_top1 probe_balanced_top1
distances := $(foreach layer,1 2 3 4,attention_distance_$(layer) attention_class_weight_$(layer))

# Tables without guidance: 1 (sizes and lengths), 3 (the losses), 4 (the share of hidden tokens), 5 (the depth of the
# contrasts), 6 (the positions contrasted).
minutes-st-ar-table-1 := 510
minutes-st-ar-table-3 := 430
$(foreach table,4 5 6,$(eval minutes-st-ar-table-$(table) := 390))
st-ar-table-1: FORCE
	$(call run,$(trained),GUIDANCES=$(firstword $(GUIDANCES)))
	+@for arm in $(trained); do $(submake) unguided-$$arm || exit; done
	$(foreach one,$(versions),$(call unguided_pair,st-ar-base$(one) st-ar$(one),$@$(one),$(understood),$(if \
	  $(findstring short,$(one)),$(call times,1,2))) &&) true
st-ar-table-1: versions = -short $(empty) -wide
st-ar-table-1: trained = $(foreach one,-short -wide,st-ar-base$(one) st-ar$(one)) st-ar-base st-ar
st-ar-table-3: arms = st-ar-base st-ar-masked st-ar-masked-step st-ar-masked-view st-ar
st-ar-table-4: arms = st-ar $(RATIOS:%=st-ar-ratio-%)
st-ar-table-5: arms = st-ar $(DEPTHS:%=st-ar-depth-%)
st-ar-table-6: arms = st-ar $(POSITIONS:%=st-ar-positions-%)
st-ar-table-3 st-ar-table-4 st-ar-table-5 st-ar-table-6: FORCE
	$(call run,$(arms),GUIDANCES=$(firstword $(GUIDANCES)))
	+@for arm in $(arms); do $(submake) unguided-$$arm || exit; done
	$(call unguided_pair,$(arms),$@,$(understood))

# Table 2: with guidance, each at its best scale.
minutes-st-ar-table-2 := 150
of_arms += st-ar-table-2
st-ar-table-2: arms = st-ar-base st-ar
st-ar-table-2: extra = $(understood)

# The headline: against the baseline of equal steps, and against that of equal seconds.
minutes-st-ar-headline := 240
st-ar-headline: FORCE
	$(call run,st-ar-base st-ar st-ar-base-longer)
	$(call pair,st-ar-base st-ar,$@-steps,$(understood) training_seconds)
	$(call pair,st-ar-base-longer st-ar,$@-seconds,$(understood) training_seconds)

# Figures 1a, 2 and 5: where the baseline and ST-AR look, as pictures, and how far, by layer. Figures 1b and 4: linear
# probes by position.
$(foreach figure,1a 1b 2 4 5,$(eval minutes-st-ar-figure-$(figure) := 135))
both = $(foreach arm,st-ar-base st-ar,$(arm)=$(call first_runs,$(arm)))
st-ar-figure-2: FORCE
	$(call run,st-ar-base st-ar,GUIDANCES=$(firstword $(GUIDANCES)))
	$(PYTHON) $(here)compare.py $(both) --figures $(distances) attention_uniform_distance --steps $(STEPS) --output $(RESULTS)/$@
	$(foreach arm,st-ar-base st-ar,cp $(STUDIES)/$(arm)/$(firstword $(GUIDANCES))/seed-$(firstword $(SEEDS))/attention.png \
	  $(RESULTS)/$@-$(arm).png &&) true
st-ar-figure-1a st-ar-figure-5: st-ar-figure-2
st-ar-figure-4: FORCE
	$(call run,st-ar-base st-ar,GUIDANCES=$(firstword $(GUIDANCES)))
	$(PYTHON) $(here)compare.py $(both) --figures probe_majority $(addprefix probe_top1_at_,7 15 23 31 39 47 55 63) \
	  --steps $(STEPS) --output $(RESULTS)/$@
	$(here)plot-probe.sh $(RESULTS)/$@.png $(foreach arm,st-ar-base st-ar,\
	  $(STUDIES)/$(arm)/$(firstword $(GUIDANCES))/seed-$(firstword $(SEEDS))/probe.json=$(arm))
st-ar-figure-1b: st-ar-figure-4

# Figure 1c: the share of tokens that two near views have in common. Ten crops of 1.05 times the side: at 32 pixels the top
# left one is the centre crop, and the others lie one pixel beside it, or below.
minutes-st-ar-figure-1c := 5
st-ar-figure-1c: FORCE
	$(codes_only) near-views
	$(PYTHON) $(here)tabulate.py view $(STUDIES)/codebook/near-views.json --output $(RESULTS)/$@
