# One line per task; `make help` lists them. Everything runs inside .venv, which is built on first use and left alone
# until pyproject.toml or a requirements file changes.
#
#   PYTHON=python3.12   another interpreter                      TEST_JOBS=4   more test processes
#   PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu"         torch without CUDA

PYTHON ?= $(shell command -v python3.11 || command -v python3)
TEST_JOBS ?= 2
PIP_FLAGS ?=

BIN := .venv/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(PIP_FLAGS)
INSTALLED := .venv/installed
INSTALLED_DEV := .venv/installed-dev
REQUIREMENTS := pyproject.toml constraints.txt requirements-no-deps.txt
PACKAGES := after render plugin_bridge maxpatches

.DEFAULT_GOAL := help
.PHONY: help venv demo test cluster check format golden host bench speed clean

help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(INSTALLED) ## build .venv and install the project

demo: $(INSTALLED) ## render the bundled MIDI file with the bundled instrument into out/
	$(BIN)/after demo --out out

test: $(INSTALLED_DEV) ## run the fast tests
	$(BIN)/python -m pytest -q -n $(TEST_JOBS)

cluster: $(INSTALLED_DEV) ## run the tests that start a Ray cluster of two nodes
	$(BIN)/python -m pytest -q -n $(TEST_JOBS) -m "cluster and not slow"

check: $(INSTALLED_DEV) ## format, lint, types, import layers, spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

format: $(INSTALLED_DEV) ## format and sort in place
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

golden: $(INSTALLED_DEV) ## compare renders with recorded audio
	$(BIN)/python -m pytest -q -m golden

host: $(INSTALLED_DEV) ## run the tests that need a plugin host
	$(BIN)/python -m pytest -q -m host

bench: $(INSTALLED) ## measure speed and latency of the bundled instrument
	$(BIN)/after bench

speed: $(INSTALLED_DEV) ## measure how long renders take and compare with docs/bench (KEEP=name keeps the figures there)
	@mkdir -p out
	$(BIN)/python -m pytest -q -p no:xdist -m bench tests/bench --benchmark-json=out/speed.json
	$(BIN)/python tests/bench/history.py out/speed.json $(if $(KEEP),--keep $(KEEP))

clean: ## delete .venv, out/ and caches; trained runs and data stay
	rm -rf .venv out build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@.ci/make-venv "$(PYTHON)" .venv

$(INSTALLED): .venv/bin/python $(REQUIREMENTS)
	@echo "installing into .venv (torch is large: the first time takes some minutes)"
	@$(PIP_INSTALL) -e ".[transcription]"
	@$(PIP_INSTALL) --no-deps -r requirements-no-deps.txt
	@.ci/system-libraries $(BIN)/python
	@touch $@

$(INSTALLED_DEV): $(INSTALLED)
	@$(PIP_INSTALL) -e ".[transcription,dev]"
	@touch $@
