# The environment (.venv) is made by whichever target needs it first, from requirements.lock. After that, nothing here
# needs a network.

PYTHON ?= python3.11
CORES ?= all
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
STARTED := $(VENV).started
SITE = NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
PIP = $(BIN)/python -m pip install --disable-pip-version-check --no-deps $(if $(wildcard $(READY)),--quiet)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help table1 tables smoke bench test lint docs format schema clean

# Rules of the workflow call `python` and `dawn` by name; the environment itself is made by a Python from outside it.
OUTSIDE := $(PATH)
export PATH := $(CURDIR)/$(BIN):$(PATH)
$(READY): export PATH := $(OUTSIDE)

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

table1: $(READY) ## the main job on the embedded corpus: train, generate, measure; results/table1.csv, samples.png, index.html
	$(BIN)/snakemake --cores $(CORES) all

tables: $(READY) ## Tables 1 to 8, figures, sweeps and the paper's claims on the embedded corpus: an hour and more, for other networks are trained
	$(BIN)/snakemake --cores $(CORES) -- all $(patsubst %,results/table%.csv,2 3 4 5 6 7 8) results/claims.md \
		$(patsubst %,results/figures/figure%.png,2 3 4 5 6) \
		$(patsubst config/sweeps/%.csv,results/sweeps/%.csv,$(wildcard config/sweeps/*.csv))
	$(BIN)/snakemake --cores $(CORES) all

smoke: $(READY) ## the same, as small as it can be: a check that every step runs
	$(BIN)/snakemake --configfile config/smoke.yaml --cores $(CORES) results/smoke/table1.csv results/smoke/quality.json

bench: $(READY) ## time and memory of the engine against the plain path; results/bench, half an hour or more
	$(BIN)/python -m benchmarks.dawn

test: $(READY) ## run the tests; the closing summary names what was skipped and why
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --numprocesses auto --maxprocesses 4 --dist loadfile

lint: $(READY) ## style, types, workflow, the order of the rooms, and the documentation
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(BIN)/lint-imports
	$(SITE)

docs: $(READY) ## build the documentation into build/site; fails on a broken link and on a page outside the navigation
	$(SITE)

format: $(READY) ## lay out code and workflow as lint wants them
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/snakefmt Snakefile workflow

schema: $(READY) ## write config/schema.json from dawn/config
	$(BIN)/python -c "from dawn.config import schema; print(schema(), end='')" > config/schema.json.part
	mv config/schema.json.part config/schema.json

clean: ## remove what demo and smoke made, and the tools' caches; environment and other corpora stay
	rm -rf data/demo data/demo-* data/smoke data/smoke-* results/demo results/demo-* results/smoke results/smoke-*
	rm -rf results/sweeps results/figures results/index.html
	rm -rf .snakemake .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build *.egg-info
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +

# An installation that was broken off leaves the mark .venv.started and no stamp: the next make clears the folder and
# goes on from what pip has in its cache. A changed lock is installed over what is there.
$(READY): requirements.lock pyproject.toml
	@python=; for candidate in "$(PYTHON)" python3; do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; \
		then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "Python 3.11 is needed; neither '$(PYTHON)' nor 'python3' is it." >&2; \
		echo "Install it, or say where it is: make PYTHON=/path/to/python3.11" >&2; \
		exit 1; \
	fi; \
	if [ -e $(STARTED) ] || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		echo "Making $(VENV): about 8 GB, some minutes, once."; \
		touch $(STARTED) && "$$python" -m venv --clear $(VENV); \
	fi
	@touch $(STARTED)
	$(PIP) --requirement requirements.lock
	$(PIP) --no-build-isolation --editable .
	@rm $(STARTED)
	@touch $@
