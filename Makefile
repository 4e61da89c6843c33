# make demo: set up, prepare the embedded corpus, train two models, score them, translate.
# make test: set up, check style and types, run the tests.
# make reproduce target=NAME raw=DIR: come by a figure of README or docs/, and compare.
# make stress: the long checks of trust: faults, kills, mutated bundles, hostile text, long runs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := runs/demo

.PHONY: demo test reproduce stress clean help
.DELETE_ON_ERROR:

help:
	@sed -n 's/^# make /make /p' Makefile

$(VENV)/.installed: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed requirements-test.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-test.txt
	touch $@

demo: $(VENV)/.installed
	$(BIN)/python -m data_prep
	$(BIN)/python train.py experiment=demo context=last run=$(DEMO)/last
	$(BIN)/python train.py experiment=demo context=attention run=$(DEMO)/attention
	$(BIN)/python evaluate.py run=$(DEMO)/last split=test
	$(BIN)/python evaluate.py run=$(DEMO)/attention split=test compare=$(DEMO)/last
	$(BIN)/python translate.py run=$(DEMO)/attention < examples/sentences.en

test: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2

reproduce: $(VENV)/.installed
	$(BIN)/python reproduce.py $(foreach name,target raw seeds,$(if $($(name)),$(name)="$($(name))"))

stress: $(VENV)/.installed-test
	$(BIN)/python -m pytest tests/stress/stress_*.py -s

clean:
	rm -rf $(VENV) data/grammar $(DEMO)
