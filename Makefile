# Every command for users and CI. `make demo` needs python3 (>= 3.11), python3-venv and make, nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# Compiled modules are kept also where the environment forbids it: the tests start two thousand processes.
export PYTHONDONTWRITEBYTECODE =

# The processes of a test run, which mostly wait for processes of their own. Each has its own servers, and takes file
# after file.
SPLIT := --numprocesses 3 --dist loadfile --no-loadscope-reorder

.PHONY: help demo test test-all unit soak check chaos bench docs clean
.DEFAULT_GOAL := help

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[embedded,honcho,simulator]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.run

demo: $(VENV)/.run  ## Set up and refresh eight packages on four forges against the simulator
	@$(BIN)/fetcher demo

test: check  ## Set up, check the code, and run the tests but the slow ones (five minutes on two idle cores)
	$(BIN)/python -m pytest -m "not slow" $(SPLIT)

test-all: check  ## Check the code, and run every test with every example of its properties (CI; 13 to 20 minutes on two cores)
	$(BIN)/python -m pytest --hypothesis-profile=thorough $(SPLIT)

unit: $(VENV)/.dev  ## Run the tests that need no server and no database (half a minute)
	$(BIN)/python -m pytest tests/unit $(SPLIT)

soak: $(VENV)/.dev  ## Run the tests of `make test` ten times beside a busy loop on each core; print each failure
	$(BIN)/python -m tests.soak -- -m "not slow" $(SPLIT)

check: $(VENV)/.dev  ## Check style, types, the direction of imports, and words
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.words

chaos: $(VENV)/.dev  ## Inject every fault; report lost and wrong packages (none) and the time until all is fresh again
	$(BIN)/python -m tests.chaos

bench: $(VENV)/.dev  ## Measure every figure against the simulator, as tables (about 30 minutes)
	$(BIN)/python -m benchmarks.passes
	$(BIN)/python -m benchmarks.limits --hour 120
	$(BIN)/python -m benchmarks.cpu
	$(BIN)/python -m benchmarks.plan
	$(BIN)/python -m benchmarks.yardstick

docs: $(VENV)/.run  ## Write the reference pages that are generated from the code
	$(BIN)/python -m fetcher.reference

clean:  ## Remove the set-up and all caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
