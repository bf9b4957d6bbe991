# Every target sets up what it needs; no logic lives here.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo test dev lint chaos bench lock clean

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

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

chaos: $(READY)
	$(BIN)/python -m pytest -m chaos

bench: $(READY)
	$(BIN)/python -m tests.bench

clean:
	rm -rf $(VENV) .deepcoin_ops
