# Everything a person or CI runs. `make demo` needs python3 (>= 3.11), python3-venv and make, nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help demo test check chaos bench docs clean
.DEFAULT_GOAL := help

help:  ## Say what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.run

demo: $(VENV)/.run  ## Set up and refresh five real packages against the simulator
	@$(BIN)/fetcher demo

test: check  ## Set up, check the code, and pass every test
	$(BIN)/python -m pytest

check: $(VENV)/.dev  ## Types, style, and the direction of every arrow
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

chaos: $(VENV)/.dev  ## Every fault, injected: what is lost (nothing), wrong (nothing), and how soon all is fresh again
	$(BIN)/python -m tests.chaos

bench: $(VENV)/.dev  ## Every figure as a table, against the simulator (about 30 minutes)
	$(BIN)/python -m benchmarks.passes
	$(BIN)/python -m benchmarks.limits --hour 120
	$(BIN)/python -m benchmarks.cpu
	$(BIN)/python -m benchmarks.plan
	$(BIN)/python -m benchmarks.yardstick

docs: $(VENV)/.run  ## Write the reference pages that come from the code
	$(BIN)/python -m fetcher.reference

clean:  ## Forget the set-up
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
