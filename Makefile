# One way to run everything; `make help` lists it.
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory --no-builtin-rules
.DEFAULT_GOAL := help
PYTHON ?= python3
# Test processes side by side. Files stay whole, so that a module's servers start once.
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
# `make test` has every server: a skip is a failure.
ALL_REQUIRED := PARKWATCH_REQUIRE_ALL=1

.PHONY: help setup demo test check fix bench bench-peers fuzz cuts powercut chaos simtest late-polls long record influxd lock apt-test chroot-demo clean-room-test

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.run: requirements/build.lock requirements/run.lock pyproject.toml
	@echo "== setting up $(VENV): half a minute, once"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	    echo "the virtual environment needs: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/build.lock
	@deploy/install-lock $(VENV) requirements/run.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: requirements/test.lock $(VENV)/.run
	@echo "== adding the test tools to $(VENV): half a minute, once"
	@deploy/install-lock $(VENV) requirements/test.lock
	@touch $@

# numba, the compiled reference of the group `rules`: asked for by that group or by all of them.
$(VENV)/.bench: requirements/bench.lock $(VENV)/.test
	@echo "== adding numba to $(VENV) for the bench of the rules: some seconds, once"
	@deploy/install-lock $(VENV) requirements/bench.lock
	@touch $@

setup: $(VENV)/.test ## virtual environment with everything, from the locks with their hashes (1 min, once)

demo: $(VENV)/.run ## a living park on a local port: no broker, no database (set-up once, then 10 s)
	@echo "== demo: the page opens within 10 s; Ctrl-C ends it"
	@$(BIN)/parkwatch demo $(ARGS)

apt-test:
	@deploy/need-apt deploy/apt-test.txt

influxd: ## the path of an influxd 2.7; built once where none is found (5 to 10 min)
	@deploy/get-influxd

test: apt-test setup ## every test, on real servers (some minutes; the first time also builds influxd: 5 to 10 min)
	@deploy/get-influxd >/dev/null || echo "== the tests of InfluxDB will fail by name"
	@echo "== tests, $(JOBS) side by side: some minutes"
	@$(ALL_REQUIRED) $(PYTEST) -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

fix: setup ## format, and mend what the linter can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

check: setup ## what CI runs: format, lint, types, import contracts, tidy, then the tests
	@failed=0; \
	.ci/stage format $(BIN)/ruff format --check . || failed=1; \
	.ci/stage lint $(BIN)/ruff check . || failed=1; \
	.ci/stage types $(BIN)/mypy || failed=1; \
	.ci/stage imports $(BIN)/lint-imports || failed=1; \
	.ci/stage tidy $(PYTEST) -q tests/test_tidy.py || failed=1; \
	exit $$failed
	@.ci/stage test $(MAKE) test

bench: setup $(if $(filter-out rules,$(ONLY)),,$(VENV)/.bench) ## measurements as ratios against references: make bench ONLY=e2e JSON=FILE
	@$(BIN)/python -m bench $(if $(ONLY),--only $(ONLY)) $(if $(JSON),--json $(JSON)) $(ARGS)

bench-peers: setup ## the same work by Node-RED, Telegraf and us: make bench-peers JSON=FILE (builds them once: 3 min, 350 MB)
	@deploy/get-peers >/dev/null
	@$(BIN)/python -m bench --only peers $(if $(JSON),--json $(JSON)) $(ARGS)

fuzz: setup ## random input: make fuzz ONLY=rules|decoders|registers|frames|mqtt|… SECONDS=60 ARGS="--seed N"
	@PYTHONPATH=tests:tests/rules $(BIN)/python \
	    $(if $(filter-out rules,$(ONLY)),tests/drivers/fuzz_decoders.py,tests/rules/fuzz.py) \
	    --only $(or $(ONLY),rules) --seconds $(or $(SECONDS),60) $(ARGS)

cuts: setup ## random cuts of the lines to 200 devices: make cuts CUTS=1000 ARGS="--seed N --devices N"
	@PYTHONPATH=tests $(BIN)/python tests/chaos/cuts.py --cuts $(or $(CUTS),1000) $(ARGS)

powercut: setup ## recorded writes cut at random moments: make powercut IMAGES=100000 ARGS="--seed N"
	@PYTHONPATH=tests $(BIN)/python tests/powercut/powercut.py --images $(or $(IMAGES),2000) $(ARGS)

simtest: setup ## an hour of the daemon on a virtual clock a seed: make simtest SEEDS=20000 FIRST=1; BUGS=1 hunts the planted bugs
	@PYTHONPATH=tests $(BIN)/python tests/sim/simtest.py --seeds $(or $(SEEDS),500) --first $(or $(FIRST),1) \
	    $(if $(BUGS),--bugs) $(if $(ONLY),--only $(ONLY)) $(ARGS)

chaos: setup ## kill -9 in a storm and at every named point: make chaos KILLS=1000 ARGS="--seed N"
	@PYTHONPATH=tests $(BIN)/python tests/chaos/chaos.py --kills $(or $(KILLS),100) $(ARGS)

long: setup ## everything in full: 100,000 power cuts, 1,000 kills and cuts, 20,000 seeds, 10,000 bit flips
	@failed=0; \
	PYTHONPATH=tests $(BIN)/python tests/daemon/journal/bitflips.py --flips 10000 || failed=1; \
	$(MAKE) powercut IMAGES=100000 || failed=1; \
	$(MAKE) chaos KILLS=1000 || failed=1; \
	$(MAKE) simtest SEEDS=20000 || failed=1; \
	$(MAKE) simtest BUGS=1 SEEDS=200 || failed=1; \
	$(MAKE) late-polls || failed=1; \
	$(MAKE) cuts CUTS=1000 || failed=1; \
	$(MAKE) fuzz ONLY=decoders SECONDS=600 || failed=1; \
	exit $$failed

late-polls: setup ## late, lost and doubled answers on a serial bus, none on a wrong point: make late-polls POLLS=1000000 WIRE=5000
	@PYTHONPATH=tests $(BIN)/python tests/drivers/modbus/late_polls.py --polls $(or $(POLLS),1000000) \
	    --wire $(or $(WIRE),5000) $(ARGS)

record: setup ## record anew the pages of docs/ that show a terminal
	@for page in technician serial_line gateway_page; do \
	    PYTHONPATH=tests:tests/story $(BIN)/python tests/story/$$page.py || exit 1; done

lock: setup ## write the locks anew from pyproject.toml; UPGRADE=1 takes newer versions
	@export UV_SYSTEM_CERTS=1; compile() { $(BIN)/uv pip compile -q --universal --python-version 3.11 \
	    --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links \
	    $(if $(UPGRADE),--upgrade) "$$@"; }; \
	compile pyproject.toml --group test -o requirements/test.lock && \
	compile pyproject.toml -c requirements/test.lock -o requirements/run.lock && \
	compile requirements/build.in -c requirements/test.lock -o requirements/build.lock && \
	compile --group bench -c requirements/test.lock -o requirements/bench.lock

chroot-demo: ## proof: `make demo` on a fresh Debian (debootstrap; as root, some minutes)
	@deploy/chroot-demo $(ARGS)

clean-room-test: ## proof: `make test` of a fresh clone with an empty HOME and nothing but PATH set
	@deploy/clean-room make test
