PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

TOOLS := $(VENV)/tools

.PHONY: demo test test-numpy test-all bench trust lint types docs wheel clean

demo: $(INSTALLED)  ## ingest the example frames, query them, set labels, draw an overlay, export
	PATH="$(CURDIR)/$(BIN):$$PATH" sh fixtures/demo.sh

test: $(INSTALLED)  ## all tests
	$(BIN)/pytest -n auto

test-numpy: $(INSTALLED)  ## the tests of pixels without the compiled kernel
	MASKSDB_KERNEL=numpy $(BIN)/pytest -n auto tests/pixels

test-all: $(TOOLS)  ## the tests that need torch or the tools that results are compared with
	MASKSDB_ALL_TOOLS=1 $(BIN)/pytest -n auto -m tools

bench: $(INSTALLED)  ## speed, as ratios in one run, into docs/benchmarks.md
	$(BIN)/python tests/bench/run.py

trust: $(INSTALLED)  ## kills, full disks, damage and foreign input in seeded random cases, into docs/reliability.md
	$(BIN)/python tests/trust/trust.py $(if $(SECONDS),--seconds $(SECONDS))

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

docs: $(INSTALLED)  ## docs/schema.md from the comments in sql/, README's answers from its queries
	$(BIN)/python docs/generate.py

wheel: $(INSTALLED)  ## build the wheel and use it in an empty environment
	rm -rf dist build/wheel
	$(BIN)/python -m build --wheel --outdir dist .
	$(PYTHON) -m venv build/wheel
	build/wheel/bin/pip install --quiet "$$(ls dist/*.whl)[video]"
	cd build && PATH="$(CURDIR)/build/wheel/bin:$$PATH" sh ../fixtures/demo.sh

$(INSTALLED): pyproject.toml
	@echo "Installing into $(VENV), once; it takes a few minutes."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
	$(BIN)/pip install --quiet --no-warn-conflicts --target $(VENV)/duckdb-1.4 'duckdb==1.4.*'
	touch $@

# This release of torch has builds for a CPU alone; a range would take one for a GPU, of several gigabytes.
$(TOOLS): $(INSTALLED)
	$(BIN)/pip install --quiet 'torch==2.13.0'
	$(BIN)/pip install --quiet --editable '.[dev,reference]'
	touch $@

clean:
	rm -rf $(VENV) build demo dist
