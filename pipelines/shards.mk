# Products of tools that can share their work: made by one run, or with SHARDS=n by n runs whose outputs are concatenated.
# Included by common.mk.

# What stands before every command of a tool, such as srun -n1 -c8 or a container's run; it must run in the same folder,
# with the same files and with the tools on the path.
RUN ?=
SHARDS ?=
override SHARDS := $(strip $(SHARDS))
ifneq ($(SHARDS),)
ifneq ($(shell echo '$(SHARDS)' | grep -cxE '[1-9][0-9]{0,5}'),1)
$(error SHARDS=$(SHARDS): expected a number of shards from 1 to 999999)
endif
endif

numbers := $(if $(SHARDS),$(shell seq -w 1 $(SHARDS)))
# The shards of a product, and the pattern of their names.
shard_pattern = $(dir $(1))shards/$(notdir $(basename $(1)))-%-of-$(SHARDS).zst
shards_of = $(foreach number,$(numbers),$(subst %,$(number),$(call shard_pattern,$(1))))
# What is made by a tool, and has its prerequisites: the shards, or the product.
parts_of = $(if $(SHARDS),$(call shards_of,$(1)),$(1))

define whole_product
$(1): $(2)
	$$(call stage,$(3))
	$(7)$$(RUN) $(4) --log $(6).jsonl $(5) $$@
endef

define sharded_product
$(call shards_of,$(1)): $(call shard_pattern,$(1)): $(2)
	$$(call stage,$(3): shard $$* of $(SHARDS))
	$(7)$$(RUN) $(4) --shard $$*/$(SHARDS) --log $(6).shard-$$*-of-$(SHARDS).jsonl $(5) $$@

$(1): $(call shards_of,$(1))
	$$(call stage,$(3): all shards)
	$(7)$$(PYTHON) $$(here)join_shards.py $$@ --logs $(foreach number,$(numbers),$(6).shard-$(number)-of-$(SHARDS).jsonl) \
	  --log $(6).jsonl --shards $$^
endef

# $(call product,FILE,PREREQUISITES,HEADING,COMMAND,OPTION OF THE OUTPUT,LOG[,WHAT STANDS BEFORE THE COMMAND])
product = $(eval $(call $(if $(SHARDS),sharded,whole)_product,$(1),$(2),$(3),$(4),$(5),$(6),$(7)))
