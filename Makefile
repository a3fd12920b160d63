# Everything a person types in this repository. `make help` lists it.
# Arguments go through: make demo ARGS=--until-answered

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
WORKERS ?= 2

export DO_NOT_TRACK := 1

.DEFAULT_GOAL := help
.PHONY: help install install-dev manifest demo up test test-full lint format bench screenshots lock clean

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# A marker per lock file, so that nothing is installed twice and nothing stale is used.
$(VENV)/.run: requirements/run.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not ((3, 11) <= sys.version_info[:2] < (3, 15)))' \
		|| { echo "leadops needs Python 3.11 to 3.14; say which with make PYTHON=python3.12"; exit 2; }
	@echo "Installing what leadops runs on into $(VENV) (first time: some minutes) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/run.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	@echo "Installing what its tests need ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
	@touch $@

MANIFEST := dbt_metrics/target/manifest.json
$(MANIFEST): $(VENV)/.run $(shell find dbt_metrics -name '*.sql' -not -path '*/target/*' -o -name '*.yml' -not -path '*/target/*' 2>/dev/null)
	@$(BIN)/python -m leadops.metrics.prepare
	@touch $@

install: $(VENV)/.run $(MANIFEST) ## install what leadops runs on

install-dev: $(VENV)/.dev $(MANIFEST)

demo: install ## answer sample leads, something to look at (ARGS=--until-answered: measure one and stop)
	@$(BIN)/leadops demo $(ARGS)

up: install ## start everything for real use
	@$(BIN)/leadops up $(ARGS)

test: install-dev ## the tests (under 10 minutes on two cores)
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup -m "not full" $(ARGS)

test-full: install-dev ## every test, long ones too
	LEADOPS_HYPOTHESIS=search $(BIN)/pytest -n $(WORKERS) --dist loadgroup $(ARGS)

lint: install-dev ## style, types, floors
	$(BIN)/ruff check leadops leadops_tests
	$(BIN)/ruff format --check leadops leadops_tests
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/dg check defs

format: install-dev ## rewrite to style
	$(BIN)/ruff check --fix --quiet leadops leadops_tests
	$(BIN)/ruff format leadops leadops_tests

bench: install-dev ## speed, each figure beside its floor (ARGS="--only single,burst --json out.json")
	$(BIN)/python -m leadops_tests.bench $(ARGS)

screenshots: install-dev ## the pictures in docs/, from a running demo
	$(BIN)/python -m leadops_tests.screenshots $(ARGS)

lock: install-dev ## pin again after pyproject.toml changed (needs uv)
	rm -f requirements/*.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-strip-extras \
		pyproject.toml --group build -o requirements/run.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-strip-extras \
		pyproject.toml --group build --group dev -c requirements/run.txt --no-annotate -o requirements/dev.txt

clean: ## remove what was made here, but not the data in .leadops
	rm -rf $(VENV) dbt_metrics/target build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
