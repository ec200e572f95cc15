# The first target that needs the environment (.venv) creates it from requirements.lock. After that, no target needs a
# network.

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

# Rules of the workflow call `dawn` and `dawn-eval` by name; a Python outside the environment creates the environment.
OUTSIDE := $(PATH)
export PATH := $(CURDIR)/$(BIN):$(PATH)
$(READY): export PATH := $(OUTSIDE)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

table1: $(READY) ## Table 1 on the embedded corpus: train, generate, evaluate; writes results/table1.csv, samples.png, index.html
	$(BIN)/snakemake --cores $(CORES) all

tables: $(READY) ## Tables 1 to 8, figures, sweeps and the paper's claims on the embedded corpus: over an hour, since they train further networks
	$(BIN)/snakemake --cores $(CORES) -- all $(patsubst %,results/table%.csv,2 3 4 5 6 7 8) results/claims.md \
		$(patsubst %,results/figures/figure%.png,2 3 4 5 6) \
		$(patsubst config/sweeps/%.csv,results/sweeps/%.csv,$(wildcard config/sweeps/*.csv))
	$(BIN)/snakemake --cores $(CORES) all

smoke: $(READY) ## Table 1 at the smallest size, to check that every step runs
	$(BIN)/snakemake --configfile config/smoke.yaml --cores $(CORES) results/smoke/table1.csv \
		results/smoke/quality.json results/smoke/config.yaml

bench: $(READY) ## time and memory of generation and training against the reference implementation; results/bench, 30 minutes or more
	$(BIN)/python -m benchmarks engine

test: export PYTHONDONTWRITEBYTECODE = # hundreds of processes read what the first of them compiled
test: $(READY) ## run the tests; the summary lists skipped tests with the reason
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -q --numprocesses auto --dist loadfile --no-loadscope-reorder

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

clean: ## delete data and results of demo and smoke, and caches; keeps the environment and other corpora
	rm -rf data/demo data/demo-* data/smoke data/smoke-* results/demo results/demo-* results/smoke results/smoke-*
	rm -rf results/sweeps results/figures results/index.html
	rm -rf .snakemake .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build *.egg-info
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +

# An interrupted installation leaves the mark .venv.started without the stamp: the next make clears the folder and reuses
# pip's cache. A changed lock is installed into the existing environment.
$(READY): requirements.lock pyproject.toml
	@python=; for candidate in "$(PYTHON)" python3; do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; \
		then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "Python 3.11 is required; neither '$(PYTHON)' nor 'python3' is Python 3.11." >&2; \
		echo "Install it, or give its path: make PYTHON=/path/to/python3.11" >&2; \
		exit 1; \
	fi; \
	if [ -e $(STARTED) ] || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		echo "Creating $(VENV): about 8 GB, a few minutes, once."; \
		touch $(STARTED) && "$$python" -m venv --clear $(VENV); \
	fi
	@touch $(STARTED)
	$(PIP) --requirement requirements.lock
	$(PIP) --no-build-isolation --editable .
	@rm $(STARTED)
	@touch $@
