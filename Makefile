# Every target sets itself up in .venv first, from the lock file. Needs: make, Python 3.11 or later, a package index.
SHELL := /bin/sh
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
BIN := .venv/bin
READY := .venv/.ready
# uv installs the same lock file in a tenth of pip's time; without it, pip does.
NEEDS_UV = @$(BIN)/uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9 || true
.DEFAULT_GOAL := help
.PHONY: help setup demo test journeys web screens criteria mutants check sec fuzz format bench bench-ingest bench-position bench-departure bench-cameras cost dst dst-mutants chaos e2e-target localstack sfn-localstack lock clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv with everything in it

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Jikimi needs Python 3.11 or later. Install it, or say where it is: make PYTHON=/path/to/python3"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Setting up .venv (a minute or two the first time)"
	$(NEEDS_UV)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable . || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

demo: $(READY) ## Watch a child be missed, searched for across a border and found (ARGS="--lang en --seed 7")
	@$(BIN)/jikimi demo $(ARGS)

# What stands alone runs on all cores; then, undisturbed, the scenarios and the screens.
test: $(READY) ## Run every test (ARGS="-k words" for some)
ifeq ($(ARGS),)
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile --ignore tests/e2e --ignore tests/web
	@$(BIN)/python -m pytest tests/e2e tests/web
else
	@$(BIN)/python -m pytest $(ARGS)
endif

journeys: $(READY) ## Every acceptance test of the journeys (AT-n.n), how it went, and its figures (ARGS=--list)
	@$(BIN)/python -m tests.journeys $(ARGS)

web: $(READY) ## The screens in a real browser (installs Chromium where it may)
	@$(BIN)/python -m pytest tests/web $(ARGS)

screens: $(READY) ## Pictures of the console, the wall and the phone into .build/screens
	@$(BIN)/python -m tests.web.screens $(ARGS)

criteria: $(READY) ## The screens' table of criteria, measured on this machine
	@$(BIN)/python -m tests.web.criteria

mutants: $(READY) ## Break the screens on purpose; every defect must be noticed (ARGS="'no F2'" for one)
	@$(BIN)/python -m tests.web.mutants $(ARGS)

check: $(READY) ## Style, types, import contracts, template, secrets
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cfn-lint infra/template.yaml
	$(BIN)/python -m tests.sec secrets

sec: $(READY) ## Static checks of security: template, policies, code, secrets (own environment the first time)
	@$(BIN)/python -m tests.sec

fuzz: $(READY) ## A million hostile messages through ingest (ARGS="--seed 7 --inputs 6400")
	@$(BIN)/python -m tests.fuzz $(ARGS)

format: $(READY) ## Put the code into shape
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: bench-position bench-departure bench-ingest ## Every benchmark

bench-ingest: $(READY) ## Ingest beside two plain designs, on one recorded district
	@$(BIN)/python -m tests.benchmarks.ingest $(ARGS)

cost: $(READY) ## What a child-month costs, by part, beside other designs
	@$(BIN)/python -m tests.benchmarks.cost $(ARGS)

dst: $(READY) ## The real handlers under seeded faults (ARGS="--seeds 100", ARGS="--seed 13" replays one)
	@$(BIN)/python -m tests.dst $(ARGS)

dst-mutants: $(READY) ## Defects planted in the handlers; the exam must catch each
	@$(BIN)/python -m tests.dst.mutants $(ARGS)

chaos: $(READY) ## Faults on the local cloud: errors, crashes, poison, a burst, kill -9
	@$(BIN)/python -m tests.chaos $(ARGS)

bench-position: $(READY) ## Position error and coverage against published methods (JIKIMI_DATA: recorded data)
	@$(BIN)/python -m tests.benchmarks.position $(ARGS)

bench-cameras: $(READY) ## How often the first three cameras offered see the child
	@$(BIN)/python -m tests.benchmarks.cameras $(ARGS)

bench-departure: $(READY) ## Delay, false alarms and misses of the departure alarm
	@$(BIN)/python -m tests.benchmarks.departure $(ARGS)

e2e-target: $(READY) ## The end-to-end tests against the stack behind AWS_ENDPOINT_URL
	@test -n "$$AWS_ENDPOINT_URL" || { echo "Say where the stack is: AWS_ENDPOINT_URL=http://host:port make e2e-target"; exit 1; }
	@$(BIN)/python -m pytest -m target tests/e2e $(ARGS)

localstack: $(READY) ## Start LocalStack in Docker and deploy to it (infra/localstack/README.md)
	@$(BIN)/python -m infra.localstack.up

sfn-localstack: $(READY) ## The state machine on LocalStack's own engine, without Docker
	$(NEEDS_UV)
	@$(BIN)/python -m infra.localstack.engine

lock: $(READY) ## Resolve pyproject.toml anew into requirements.lock
	$(NEEDS_UV)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--all-extras --upgrade --output-file requirements.lock pyproject.toml

clean: ## Remove what was made, .venv included
	@test ! -x $(BIN)/jikimi || $(BIN)/jikimi down
	rm -rf .venv .build .jikimi dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
