# `make demo` and `make test` need Python 3.11 or newer, git and make; everything else is installed into .venv.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# The unmodified openpi client pins numpy < 2, so it lives in an environment of its own; the server's tests run it there.
OPENPI := $(VENV)-openpi
# Two processes, a file of tests in one of them, so that what a file prepares is prepared once.
PARALLEL ?= -n 2 --dist loadfile
OPENPI_PINS := openpi-client==0.1.2 numpy==1.26.4 typing_extensions==4.16.0

.PHONY: demo test test-fast lint format install clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Motorium needs Python 3.11 or newer; got " + sys.version.split()[0] + ". Run: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[render,rl,gym,dev]'
	@touch $@

$(OPENPI)/.installed: Makefile
	$(PYTHON) -m venv $(OPENPI)
	$(OPENPI)/bin/python -m pip install --quiet --disable-pip-version-check $(OPENPI_PINS)
	@touch $@

demo: $(STAMP)
	$(BIN)/motorium run recipes/pick-place.yaml --on processes

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The layer check runs with the fast tests; the slow ones come last, so that a mistake shows early.
test: export OMP_NUM_THREADS = 1
test: export MOTORIUM_OPENPI_PYTHON = $(abspath $(OPENPI))/bin/python
test: lint $(OPENPI)/.installed
	$(BIN)/python -m pytest $(PARALLEL) -m 'not slow' --maxfail=20
	$(BIN)/python -m pytest $(PARALLEL) -m slow --durations=15

test-fast: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL) -m 'not slow'

clean:
	rm -rf $(VENV) $(OPENPI) build dist
