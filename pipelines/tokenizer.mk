# From a folder of images to a tokenizer, and how good its reconstructions are: the first stages of all other pipelines,
# for comparisons of tokenizers. `make -f pipelines/tokenizer.mk OUT=out/mine TOKENIZER_OPTIONS=...`; what comes of it is
# in OUT/tokenizer.json.
PIPELINE := tokenizer

PRESET ?= emoji-32
# A tokenizer of its own, with the seed that is given.
SHARED = $(OUT)
.DEFAULT_GOAL := tokenizer-report
include $(dir $(lastword $(MAKEFILE_LIST)))$(PRESET).mk
include $(dir $(firstword $(MAKEFILE_LIST)))common.mk
.DEFAULT_GOAL := tokenizer-report

.PHONY: tokenizer-report
tokenizer-report: $(OUT)/tokenizer.json

$(OUT)/tokenizer.json: $(SHARED)/reconstructions.png $(features)/tokenizer.json
	$(call stage,report)
	@$(PYTHON) $(here)tokenizer_report.py $@ --logs $(patsubst %,$(SHARED)/logs/%.jsonl,tokenizer tokens) \
	  --metrics $(features)/tokenizer.json
