# Everything is installed into .venv, at the versions of constraints.txt. `make` alone lists what there is to do.
#
#   PYTHON=python3.12      the interpreter that .venv is made with (3.11 or newer)
#   PIP_ARGS="..."         goes to every pip install, e.g. for a PyTorch without CUDA on Linux:
#                          PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"
#   LAB_ARGS="..."         goes to JupyterLab, e.g. LAB_ARGS="--no-browser --port 8899"
#   ALJUPYTER_DATA=folder  copies of the datasets; tests that read them skip where it is not set

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install $(PIP_ARGS) -c constraints.txt

FIRST_NOTEBOOK := notebooks/01_first_rounds.ipynb
ALLOW_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

# Kernels are started as plain `python`: the environment's must come first.
WITH_VENV = PATH="$(CURDIR)/$(BIN):$$PATH"
# Small problems, two processes at a time: one thread each is fastest, and sums come out the same everywhere.
ONE_THREAD = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

# At the speed that the processor has: some machines hold OpenBLAS to an older one's instructions.
GP_BENCHMARK = env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $(BIN)/python -m tests.benchmarks.gp

EXTRA := test
SELECT = -m "not slow"
# The kernels of notebooks take the options of coverage from the command line: they must be given there.
COVERAGE = --cov=aljupyter --cov-config=pyproject.toml --cov-report=term
NBVAL = --nbval --nbval-current-env --nbval-sanitize-with=tests/notebooks/sanitize.cfg --nbval-cell-timeout=120

ifneq ($(wildcard ../shared/datasets),)
ALJUPYTER_DATA ?= $(abspath ../shared/datasets)
export ALJUPYTER_DATA
endif

.PHONY: help lab test test-all benchmark lint format notebooks clean
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

lab: $(VENV)/.installed-lab ## install, and open JupyterLab at the first tutorial
	$(WITH_VENV) $(BIN)/jupyter lab $(ALLOW_ROOT) --LabApp.default_url=/lab/tree/$(FIRST_NOTEBOOK) $(LAB_ARGS)

# The browser tests go first and alone: they measure how long a click takes. All else shares the processors; each file
# (and so each notebook, which has one kernel) stays in one process.
test: lint ## lint, types, every quick test, the notebooks and their saved outputs, coverage
	$(WITH_VENV) $(ONE_THREAD) $(BIN)/pytest tests/browser $(SELECT)
	$(WITH_VENV) $(ONE_THREAD) $(BIN)/pytest tests notebooks --ignore=tests/browser $(SELECT) $(NBVAL) \
	    -n 2 --dist=loadfile $(COVERAGE)

test-all: ## the same with what takes long, and the benchmarks
	$(MAKE) test EXTRA=test-all SELECT=
	$(GP_BENCHMARK)
	$(WITH_VENV) $(ONE_THREAD) $(BIN)/python -m tests.benchmarks.browser

benchmark: $(VENV)/.installed-$(EXTRA) ## the Gaussian processes beside scikit-learn's, in one run (three minutes)
	$(GP_BENCHMARK)

lint: $(VENV)/.installed-$(EXTRA) ## style, format and types, nothing is changed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-$(EXTRA) ## mend style and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

notebooks: $(VENV)/.installed-$(EXTRA) ## run the notebooks anew and save outputs and widget state in them
	$(WITH_VENV) $(ONE_THREAD) $(BIN)/jupyter nbconvert --to notebook --execute --inplace \
	    --ExecutePreprocessor.record_timing=False notebooks/*.ipynb

clean: ## remove what tests and builds leave behind (.venv stays)
	rm -rf build dist htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -path ./$(VENV) -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# PyTorch goes first: alone, its pinned version is taken from a local wheel where there is one. The build backend is
# installed beside it, because pip would not hold an isolated build to the constraints.
$(VENV)/.installed-%: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) hatchling torch
	$(INSTALL) --no-build-isolation -e ".[$*]"
	@touch $@
