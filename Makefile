# make plan   set everything up and plan examples/chat-70b.yaml
# make test   set everything up, then lint, type-check and run the tests
# make bench  measure the speed targets

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: plan test lint bench examples clean

plan: $(READY)
	$(BIN)/minfleet plan examples/chat-70b.yaml

test: $(READY) lint
	$(BIN)/python -m pytest -n 2 --benchmark-disable

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python -m pytest benchmarks --benchmark-only --benchmark-columns=min,median,max,rounds

examples: $(READY)
	$(BIN)/python docs/render_examples.py

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(READY)

clean:
	rm -rf $(VENV) build *.egg-info
