# What Muon gains over AdamW. Included by studies.mk: the baseline and IAR with either optimiser at equal steps, and the
# baseline with AdamW for as many seconds as with Muon, which therefore comes after it.
MUON_RATE ?= 5e-3
MUON := 'TRAINING_OPTIONS=--optimizer muon --learning-rate $(MUON_RATE)'
$(foreach one,baseline iar,$(eval $(call arm,$(one)-muon,$(pipeline-$(one)),$(settings-$(one)) $(MUON))))
$(eval $(call arm,baseline-longer,llamagen-baseline,MODEL_STEPS=$$$$($(PYTHON) $(here)equal_time.py \
  $(call first_runs,baseline) $(call first_runs,baseline-muon) --steps $(STEPS))))

studies += optimizers
minutes-optimizers := 240
of_arms += optimizers
optimizers: arms = baseline baseline-muon baseline-longer iar iar-muon
optimizers: extra = training_seconds
