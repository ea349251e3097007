# `make help` lists the targets. Paths may hold spaces; nothing but git, make and Python >= 3.11 is needed.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
NOTEBOOK := $(VENV)/notebook
# the experiment, a folder under conf/: `make run ENV=mnist`
ENV ?=
# what `make run` runs: sgan, infogan, or a part
PIPELINE ?= __default__
# what `make fuzz` draws its cases from, shown in the command that it prints
SEED ?= $(shell date +%s)
# where `make ui`, `make viz`, `make serve`, `make cluster` and `make notebook` listen; 5000, 4141, 5001, 8786 and 8888 unless named
PORT =
PIP = $(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps
# a file's tests stay together, and share what they have trained; tests/conftest.py orders the files
PYTEST = $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
EXPERIMENT = $(if $(ENV),KEDRO_ENV=$(ENV))
export KEDRO_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true
export MLFLOW_DISABLE_TELEMETRY := true

.DEFAULT_GOAL := help
.PHONY: help setup run test test-quick fuzz chaos bench viz ui serve cluster notebook docs docs-serve format lint types contracts check lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z_-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

setup: $(READY) ## make .venv from requirements.lock

# what has no wheel is built by the setuptools of the lock, not by the newest
$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed; found " + sys.version.split()[0] + ". Name another one: make setup PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	@sed -n '/^setuptools==/,/[^\\]$$/p' requirements.lock > $(VENV)/build.lock
	$(PIP) --require-hashes --requirement $(VENV)/build.lock
	$(PIP) --require-hashes --no-build-isolation --requirement requirements.lock
	$(BIN)/python -m pip check --disable-pip-version-check
	$(PIP) --no-build-isolation --editable .
	@touch $(READY)

run: $(READY) ## train, sample and score SGAN and InfoGAN; PIPELINE=infogan runs one, ENV=mnist names another experiment
	$(EXPERIMENT) $(BIN)/kedro run --pipelines=$(PIPELINE)

test: $(READY) ## run all tests, with branch coverage
	$(PYTEST) --cov --cov-report=term

test-quick: $(READY) ## run the tests that take a few seconds at most, without coverage
	$(PYTEST) -m "not slow"

fuzz: $(READY) ## run 2,000 and more generated cases of every kind of input, some ten minutes; SEED=7 repeats a night
	$(BIN)/python -m pytest tests/fuzzing --hypothesis-profile=nightly --hypothesis-seed=$(SEED) --hypothesis-show-statistics

chaos: $(READY) ## kill workers of a cluster twenty times, let parts of it hang, fill a disk; runs must end as they should
	KILLS=20 $(BIN)/python -m pytest tests/pipelines/test_cluster_run.py -m slow

bench: $(READY) ## measure speed and memory against baselines: half an hour on an otherwise idle machine
	$(BIN)/python benchmarks/steps.py
	$(BIN)/python benchmarks/sampling.py
	$(BIN)/python benchmarks/runs.py --repeats 3

viz: $(READY) ## open the graph of the pipelines in kedro-viz on this machine, PORT=4141
	@$(EXPERIMENT) $(BIN)/python -m gan_pipelines.pages viz $(if $(PORT),--port $(PORT))

ui: $(READY) ## open MLflow on this machine, PORT=5000, to compare runs
	@$(EXPERIMENT) $(BIN)/python -m gan_pipelines.pages ui $(if $(PORT),--port $(PORT))

serve: $(READY) ## serve the champion of the experiment over HTTP on this machine, with a page to play with, PORT=5001
	@$(EXPERIMENT) $(BIN)/python -m gan_pipelines.pages serve $(if $(PORT),--port $(PORT))

# no lock has JupyterLab: it gets an environment of its own, whose kernel is this project's Python; the extension beside
# that one's plotly draws its figures, and nothing asks for news or updates
$(NOTEBOOK)/.ready: $(READY)
	@echo "Installing JupyterLab, this once: a minute or two"
	$(PYTHON) -m venv $(NOTEBOOK)
	$(NOTEBOOK)/bin/python -m pip install --disable-pip-version-check --quiet 'jupyterlab>=4,<5'
	JUPYTER_PATH="$(CURDIR)/$(NOTEBOOK)/share/jupyter" \
		$(BIN)/python -m ipykernel install --prefix $(NOTEBOOK) --name python3 --display-name gan_pipelines
	cp -R $(VENV)/share/jupyter/labextensions/jupyterlab-plotly $(NOTEBOOK)/share/jupyter/labextensions/
	mkdir -p $(NOTEBOOK)/share/jupyter/lab/settings
	echo '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}}' \
		> $(NOTEBOOK)/share/jupyter/lab/settings/overrides.json
	@touch $(NOTEBOOK)/.ready

# a container's user may be root, whom JupyterLab refuses unless told
notebook: $(NOTEBOOK)/.ready ## open the notebooks in JupyterLab on this machine, PORT=8888
	$(EXPERIMENT) $(NOTEBOOK)/bin/jupyter lab --ip 127.0.0.1 --port $(or $(PORT),8888) --notebook-dir notebooks \
		$(if $(filter 0,$(shell id -u)),--allow-root)

docs: $(READY) ## build the documentation into site/, and check its links
	$(BIN)/python docs/site/build.py

docs-serve: docs ## show the documentation on this machine, http://127.0.0.1:8000
	$(BIN)/python -m http.server 8000 --bind 127.0.0.1 --directory site

cluster: $(READY) ## start a Dask scheduler and two workers on this machine, PORT=8786
	@$(BIN)/python -m gan_pipelines.cluster $(if $(PORT),--port $(PORT))

format: $(READY) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(READY) ## check format and style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(READY) ## check types
	$(BIN)/mypy

contracts: $(READY) ## check who may import whom
	$(BIN)/lint-imports

check: lint types contracts test ## lint, types, contracts and test

# hashes and versions go into the lock, the address of a registry does not
lock: $(READY) ## resolve requirements.lock again (needs uv)
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --extra dev --extra docs --extra cluster --extra sweep \
		--no-emit-index-url --custom-compile-command "make lock" --upgrade --output-file requirements.lock pyproject.toml

clean: ## remove what runs and checks left in data/ and in caches, but for data/01_raw
	rm -rf build site .cache .viz .mypy_cache .ruff_cache .pytest_cache .coverage .coverage.* .import_linter_cache
	find data -mindepth 2 -not -path 'data/01_raw/*' -not -name .gitkeep -delete
