# One way to run everything. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
GROUP := $(if $(ONLY),--only $(ONLY),)

.PHONY: help setup demo test check fix bench influxd lock apt-test

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.run: requirements/run.lock pyproject.toml
	@echo "== setting up $(VENV) (about a minute, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/run.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check "setuptools>=77"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: requirements/test.lock $(VENV)/.run
	@echo "== adding what the tests need to $(VENV) (about a minute, once)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/test.lock
	@touch $@

setup: $(VENV)/.test ## virtual environment with everything, from the locks with their hashes

demo: $(VENV)/.run ## a living park on a local port: no broker, no database, about a minute once, then 10 s
	@$(BIN)/parkwatch demo $(ARGS)

apt-test:
	@deploy/need-apt deploy/apt-test.txt

influxd: ## the path of an influxd 2.7, built once where none is found (5 to 10 minutes)
	@deploy/get-influxd

test: setup apt-test ## every test on real servers; a first run builds influxd (5 to 10 minutes)
	@echo "== tests (about 10 minutes; the first run also builds influxd)"
	@influxd=$$(deploy/get-influxd) && \
	    PARKWATCH_INFLUXD=$$influxd $(BIN)/python -m pytest $(ARGS)

fix: setup ## format, and mend what the linter can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

check: setup ## what CI runs: format, lint, types, import contracts, tidy, then the tests
	@.ci/stage format $(BIN)/ruff format --check .
	@.ci/stage lint $(BIN)/ruff check .
	@.ci/stage types $(BIN)/mypy
	@.ci/stage imports $(BIN)/lint-imports
	@.ci/stage tidy $(BIN)/python -m pytest -q tests/test_tidy.py
	@.ci/stage test $(MAKE) --no-print-directory test

bench: setup ## measurements as ratios: make bench ONLY=e2e JSON=FILE
	@$(BIN)/python -m bench $(GROUP) $(if $(JSON),--json $(JSON),)

lock: setup ## write the locks anew from pyproject.toml
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv
	@for set in run test; do \
	    $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate \
	        --no-header --no-emit-index-url --no-emit-find-links pyproject.toml \
	        $$([ $$set = test ] && echo --group test) -o requirements/$$set.lock; done
