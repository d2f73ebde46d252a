# make plan   set everything up and plan examples/chat-70b.yaml
# make test   set everything up, then lint, type-check and run the tests
# make bench  measure the speed targets
# make fuzz   every violation of every body of the REST service, some 12,000 requests
# make schemas  write docs/schemas and the tables of fields in the pages
# make tails    compare the formulas' percentiles with simulated ones
# make kernels    fit laws of kernels to public measurements, as priors
# make coefficients  fit the shipped coefficients to public measurements
# make accuracy  compare predictions with public measurements, beside AIConfigurator's

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
RIVAL := .venv-accuracy

.PHONY: plan test lint bench fuzz examples schemas accuracy coefficients kernels tails clean

plan: $(READY)
	$(BIN)/minfleet plan examples/chat-70b.yaml

test: $(READY) lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --benchmark-disable

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python -m pytest benchmarks --benchmark-only --benchmark-columns=min,median,max,rounds

fuzz: $(READY)
	MINFLEET_FUZZ_EVERYTHING=1 $(BIN)/python -m pytest tests/api/service/test_fuzz.py

examples: $(READY)
	$(BIN)/python docs/render_examples.py

schemas: $(READY)
	$(BIN)/python docs/render_schemas.py

accuracy: $(READY) $(RIVAL)/.ready
	$(BIN)/python -m benchmarks.accuracy --environment $(RIVAL)

tails: $(READY)
	$(BIN)/python -m benchmarks.tails

kernels: $(RIVAL)/.ready
	$(RIVAL)/bin/python benchmarks/accuracy/kernels.py data/coefficient_priors.csv

coefficients: $(READY) $(RIVAL)/.ready
	$(BIN)/python -m benchmarks.accuracy.fit --environment $(RIVAL)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(READY)

$(RIVAL)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(RIVAL)
	$(RIVAL)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	    $$($(PYTHON) -c 'import tomllib; \
	print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["accuracy"])')
	touch $(RIVAL)/.ready

clean:
	rm -rf $(VENV) $(RIVAL) build *.egg-info
