# Each goal builds .venv by itself when it is missing or older than pyproject.toml.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
BIN := $(VENV)/bin

# Threads that wait by spinning make a shared machine many times slower.
export OMP_WAIT_POLICY ?= PASSIVE

# A test that kills its worker ends the run, with its name: pytest-xdist would start another worker and wait for ever.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --max-worker-restart 0 --dist loadfile

.PHONY: setup demo test coverage check docs wheel bench clean

setup: $(STAMP)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "countguard needs Python 3.11 or later; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --editable '.[clip,timm,onnx,hub,video,heic,mat73,hdf5,web,ray,docs,dev]'
	@touch $@

demo: $(STAMP)
	$(BIN)/countguard demo

test: $(STAMP)
	$(PYTEST)

coverage: $(STAMP)
	$(PYTEST) --cov --cov-report=term --cov-report=html:htmlcov

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# site/ holds the whole site; a broken link, or anything fetched from elsewhere, is an error.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# The wheel alone has to run a study: recipes, templates and py.typed are in it.
wheel: $(STAMP)
	.ci/wheel $(BIN)/python

bench: $(STAMP)
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov site dist
