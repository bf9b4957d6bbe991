# Every target sets up what it needs; no logic lives here.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo test dev lint chaos ways-in bench docs lock clean

setup: $(READY)

# Hash mode refuses an editable project, so the locked packages come first and the project after them, alone.
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q $(VENV)/lib || true
	touch $(READY)

demo: $(READY)
	$(BIN)/python -m deepcoin_ops.demo

dev: $(READY)
	$(BIN)/deepcoin-ops dev

# Three workers: most tests wait for a server or a clock. A file's tests stay together, because some share servers; in the
# order of the folders, the long ones come first.
test: $(READY)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

chaos: $(READY)
	$(BIN)/python -m pytest -m chaos

# Tries every way in that can be enumerated and prints how many of them sent; takes a quarter of an hour.
ways-in: $(READY)
	$(BIN)/python -m pytest -q -m chaos tests/integration/test_ways_in_sweep.py

bench: $(READY)
	$(BIN)/python -m tests.bench

# Runs what the documents show, and writes outputs and columns into them again.
docs: $(READY)
	$(BIN)/python tests/support/documents.py

# The lock carries versions and hashes for every platform, and no addresses.
lock:
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet uv
	$(VENV)-lock/bin/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --no-strip-extras \
		--generate-hashes --no-annotate --no-header --quiet -o requirements.lock
	rm -rf $(VENV)-lock

clean:
	rm -rf $(VENV) .deepcoin_ops
