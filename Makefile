# Every target sets up what it needs; no logic lives here.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What runs in production is installed; and, for what checks it, the tools too.
READY := $(VENV)/.ready
DEV_READY := $(VENV)/.ready-dev
# Hash mode refuses an editable project, so the locked packages come first and the project after them, alone.
INSTALL := $(BIN)/python -m pip install --quiet --require-hashes -r

.PHONY: setup demo test dev lint chaos ways-in simulate teeth nights bench docs lock clean

setup: $(DEV_READY)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q $(VENV)/lib || true
	touch $(READY)

# Every package of the first lock is in the second too, with the same version.
$(DEV_READY): requirements-dev.lock $(READY)
	$(INSTALL) requirements-dev.lock
	$(BIN)/python -m compileall -q $(VENV)/lib || true
	touch $(DEV_READY)

demo: $(READY)
	$(BIN)/python -m deepcoin_ops.demo

dev: $(READY)
	$(BIN)/deepcoin-ops dev

# Three workers: most tests wait for a server or a clock. A file's tests stay together, because some share servers; in the
# order of the folders, the long ones come first.
test: $(DEV_READY)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: $(DEV_READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/support/vulnerabilities.py

chaos: $(DEV_READY)
	$(BIN)/python -m pytest -m chaos

# Tries every way in that can be enumerated and prints how many of them sent; takes a quarter of an hour.
ways-in: $(DEV_READY)
	$(BIN)/python -m pytest -q -m chaos tests/integration/test_ways_in_sweep.py

# Nights in virtual time, counted. `python -m deepcoin_ops.simulation --seed N` tells one of them.
NIGHTS ?= 10000
simulate: $(READY)
	$(BIN)/python -m deepcoin_ops.simulation --nights $(NIGHTS)

# Searches, for each rule of the core, a night that goes wrong without it.
teeth: $(READY)
	$(BIN)/python -m deepcoin_ops.simulation --teeth --nights 5000

# Plays sixty scripted nights of the paper exchange and compares them with the recorded ones.
nights: $(DEV_READY)
	$(BIN)/python -m tests.nights

bench: $(DEV_READY)
	$(BIN)/python -m tests.bench

# Runs what the documents show, and writes outputs and columns into them again.
docs: $(DEV_READY)
	$(BIN)/python tests/support/documents.py

# The locks carry versions and hashes for every platform, and no addresses. The second may not move what the first has.
UV_COMPILE := $(VENV)-lock/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --no-strip-extras \
	--generate-hashes --no-annotate --no-header --quiet
lock:
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet uv
	$(UV_COMPILE) --extra alerts --extra build -o requirements.lock
	$(UV_COMPILE) --extra alerts --extra build --extra dev -c requirements.lock -o requirements-dev.lock
	rm -rf $(VENV)-lock

clean:
	rm -rf $(VENV) .deepcoin_ops
