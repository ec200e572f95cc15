# The first target that needs the environment (.venv) creates it from requirements.lock. After that, no target but `lock`
# needs a network.

# Interpreter of the environment; without it, the newest from 3.11 on that is found.
PYTHON ?=
CORES ?= all
# CPU=1: PyTorch from its own index of builds for CPUs, without CUDA's libraries; an environment keeps it.
CPU ?= $(if $(wildcard $(VENV)/cpu.lock),1)
CPU_ONLY = $(filter-out 0 no false,$(CPU))
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
STARTED := $(VENV).started
SITE = NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
# --no-deps: the lock is complete, but for what pyproject.toml excludes.
PIP = $(BIN)/python -m pip install --disable-pip-version-check --no-deps $(if $(wildcard $(READY)),--quiet)
CPU_INDEX ?= https://download.pytorch.org/whl/cpu

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help table1 seeds tables smoke pretrain bench test pythons lint docs format schema lock clean

# Rules of the workflow call `dawn` and `dawn-eval` by name; a Python outside the environment creates the environment.
OUTSIDE := $(PATH)
export PATH := $(CURDIR)/$(BIN):$(PATH)
$(READY): export PATH := $(OUTSIDE)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

table1: $(READY) ## Table 1 on the embedded corpus: train, generate, evaluate; writes results/table1.csv, samples.png, index.html
	$(BIN)/snakemake --cores $(CORES) all

seeds: $(READY) ## Table 1 repeated with other seeds and threads, with mean and range in results/seeds.md: three more trainings
	$(BIN)/snakemake --cores $(CORES) -- results/seeds.md

tables: $(READY) ## Tables 1 to 8, figures, sweeps and the paper's claims on the embedded corpus: over an hour, since they train further networks
	$(BIN)/snakemake --cores $(CORES) -- all $(patsubst %,results/table%.csv,2 3 4 5 6 7 8) results/claims.md \
		$(patsubst %,results/figures/figure%.png,2 3 4 5 6) \
		$(patsubst config/sweeps/%.csv,results/sweeps/%.csv,$(wildcard config/sweeps/*.csv))
	$(BIN)/snakemake --cores $(CORES) all

smoke: $(READY) ## Table 1 at the smallest size, to check that every step runs
	$(BIN)/snakemake --configfile config/smoke.yaml --cores $(CORES) results/smoke/table1.csv \
		results/smoke/quality.json results/smoke/config.yaml

pretrain: $(READY) ## train the networks of dawn/pretrained and write them into the package: hours. PRETRAIN=FILE.yaml changes settings
	$(BIN)/snakemake --cores $(CORES) --configfile config/demo.yaml config/pretrain_speech.yaml $(PRETRAIN) -- \
		results/pretrain_speech/speech/config.json
	$(BIN)/snakemake --cores $(CORES) --configfile config/demo.yaml config/pretrain64.yaml $(PRETRAIN) -- \
		results/pretrain64/reconstruction.json results/pretrain64/a2v_stage2/weights.safetensors
	$(BIN)/snakemake --cores $(CORES) --configfile config/pretrain.yaml $(PRETRAIN) -- results/pretrain/quality.json \
		results/pretrain/config.yaml
	$(BIN)/dawn ship results/pretrain --lfg-start results/pretrain64

bench: $(READY) ## time and memory of generation and training against the reference implementation; results/bench, 30 minutes or more
	$(BIN)/python -m benchmarks engine

test: export PYTHONDONTWRITEBYTECODE = # hundreds of processes read what the first of them compiled
test: $(READY) ## run the tests; the summary lists skipped tests with the reason
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -q --numprocesses auto --dist loadfile --no-loadscope-reorder

pythons: ## install and run the quick tests with every Python that is found, each in a folder of its own below build
	tests/pythons.sh

lint: $(READY) ## check style, types, workflow, import contracts and documentation
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(BIN)/lint-imports
	$(SITE)

docs: $(READY) ## build the documentation into build/site; fails on a broken link and on a page outside the navigation
	$(SITE)

format: $(READY) ## format code and workflow
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/snakefmt Snakefile workflow

schema: $(READY) ## generate config/schema.json from dawn/config
	$(BIN)/python -c "from dawn.config import schema; print(schema(), end='')" > config/schema.json.part
	mv config/schema.json.part config/schema.json

lock: $(READY) ## resolve requirements.lock from pyproject.toml for every Python, keeping the pins that still fit; needs a network
	$(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --all-extras --no-annotate \
		--custom-compile-command "make lock" --python-version 3.11 --output-file requirements.lock pyproject.toml

clean: ## delete data and results of demo and smoke, and caches; keeps the environment and other corpora
	rm -rf data/demo data/demo-* data/smoke data/smoke-* results/demo results/demo-* results/smoke results/smoke-*
	rm -rf results/sweeps results/figures results/index.html results/seeds.*
	rm -rf .snakemake .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build *.egg-info
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +

# An interrupted installation leaves the mark .venv.started without the stamp: the next make clears the folder and reuses
# pip's cache. A changed lock is installed into the existing environment.
$(READY): requirements.lock pyproject.toml
	@python=; for candidate in $(if $(PYTHON),"$(PYTHON)",python3.14 python3.13 python3.12 python3.11 python3); do \
		if "$$candidate" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
		then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "Python 3.11 or newer with venv is required; $(if $(PYTHON),'$(PYTHON)' is not,none is found)." >&2; \
		echo "Install it (on Debian and Ubuntu: python3 and python3-venv), or give its path: make PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi; \
	if $(if $(PYTHON),[ -x $(BIN)/python ] && [ "$$($(BIN)/python --version)" != "$$("$$python" --version)" ],false); then \
		echo "$(VENV) has another version than $(PYTHON): it is created anew." >&2; \
		touch $(STARTED); \
	fi; \
	if [ -e $(STARTED) ] || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		echo "Creating $(VENV) with $$("$$python" --version): about $(if $(CPU_ONLY),3.5,8) GB, a few minutes, once."; \
		touch $(STARTED) && "$$python" -m venv --clear $(VENV); \
	fi
	@touch $(STARTED)
	$(if $(CPU_ONLY),grep -vE '^(nvidia-|cuda-|triton)' requirements.lock > $(VENV)/cpu.lock,@rm -f $(VENV)/cpu.lock)
	$(PIP) --requirement $(if $(CPU_ONLY),$(VENV)/cpu.lock --extra-index-url $(CPU_INDEX),requirements.lock)
	$(PIP) --no-build-isolation --editable .
	@rm $(STARTED)
	@touch $@
