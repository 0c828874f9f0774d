# Two commands do all the set-up on a fresh machine with Python 3.11 or newer, git and make:
#   make demo   installs, searches, judges, writes report.html
#   make test   installs, runs every check and every test
# PIP_ARGS is passed on to pip.
# PYTHON names the interpreter that creates .venv; PYTEST_ARGS is passed on to pytest.

PYTHON ?= $(shell for name in python3.11 python3 python; do command -v $$name && break; done)
PIP_ARGS ?=
PYTEST_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin

# Real data sets, where they lie beside the checkout.
ifneq ($(wildcard ../shared/data),)
export OCHE_DATA ?= $(abspath ../shared/data)
endif

# One thread per process: two test processes share the cores, and equal threads give equal bits.
TEST_ENV := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help demo test check lint format bench docs clean

help:
	@echo "make demo    install, then search, judge and write report.html (under 4 minutes after installing)"
	@echo "make test    install, then run lint, types, layers and every test"
	@echo "make lint    install, then run lint, format check, types and layers only"
	@echo "make format  rewrite the code in the house format"
	@echo "make bench   install, then run the benchmarks"
	@echo "make docs    install, then build the documentation into docs/_build/html"
	@echo "make clean   remove .venv and everything that was built"

# The stamps lie inside .venv, so that removing it is enough to start over. They are younger than pyproject.toml and
# constraints.txt exactly when what is installed is what these files ask for.
$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install $(PIP_ARGS) -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install $(PIP_ARGS) -c constraints.txt -e ".[dev]"
	@touch $(VENV)/.core $@

demo: $(VENV)/.core
	$(BIN)/oche demo --out .

test: lint
	$(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

check: test

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python "$$file" || exit 1; done

docs: $(VENV)/.dev
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

clean:
	rm -rf $(VENV) docs/_build dist build .pytest_cache .ruff_cache .hypothesis .import_linter_cache
