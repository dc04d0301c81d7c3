# What a developer and a newcomer type. `make` alone lists it.
# Variables: PYTHON (3.11 or newer), VENV (where everything is installed), ARGS (for `serve`),
# TORCH_INDEX (a further wheel index to take torch from, such as https://download.pytorch.org/whl/cpu).

PYTHON ?= python3
VENV ?= .venv
TORCH_INDEX ?=
ARGS ?=

BIN := $(VENV)/bin
RUN_READY := $(VENV)/.run-ready
DEV_READY := $(VENV)/.dev-ready
INSTALL = $(BIN)/python -m pip install --disable-pip-version-check \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -c constraints.txt
# Three processes for two cores, since tests wait as much as they work; each test file whole in one of them, longest first.
# What skips, for want of Chromium or Node, is named above the last line, which counts it.
PYTEST := $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder -rs

.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help setup serve test check fix prove

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(DEV_READY)  ## install everything, developer's tools too, into .venv

serve: $(RUN_READY)  ## serve on http://127.0.0.1:8000 and print a key and a curl; ARGS="--port 9000"
	$(BIN)/fluxhouse serve $(ARGS)

test: $(DEV_READY)  ## run the tests
	$(PYTEST) -m 'not long'

check: $(DEV_READY)  ## lint, format, types, floors and architecture, changing nothing
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest tests/architecture

fix: $(DEV_READY)  ## mend what the linter and the formatter can mend, and write the client's synchronous twin
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/python scripts/unasync.py

prove: $(DEV_READY)  ## run the long campaigns: the same tests with larger numbers, a hundred crashes
	$(PYTEST)
	$(BIN)/fluxhouse bench crash --rounds 100
	$(BIN)/fluxhouse bench crash --topology cluster --rounds 30

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	@# Where the system's Python came without ensurepip, its own pip fills the environment.
	$(PYTHON) -m venv $(VENV) || { $(PYTHON) -m venv --clear --without-pip $(VENV) && \
		$(PYTHON) -m pip --python $(BIN)/python install pip; }

$(RUN_READY): pyproject.toml constraints.txt | $(BIN)/pip
	$(INSTALL) -e '.[engine]'
	@touch $@

$(DEV_READY): pyproject.toml constraints.txt | $(BIN)/pip
	$(INSTALL) -e '.[engine,dev]'
	@touch $(RUN_READY) $@
