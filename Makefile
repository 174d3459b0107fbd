# The commands for developers. All files go into .venv and .nox, and none outside of this folder.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv pip install --quiet --python $(BIN)/python
REPORT := .nox/report

# The tests that `make check` runs: all except those marked as slow.
FAST_TESTS := tests/unit tests/reference tests/conformance/test_suite.py

# uv uses the package mirror that is configured for pip.
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo dev check test test-hosts test-all test-docker lint format build bench clean \
	programs browser \
	airflow-up airflow-down prefect-up prefect-down metrics-up metrics-down

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  make airflow-up  Airflow with Celery workers in containers; airflow-down"
	@echo "  make prefect-up  a Prefect server with workers; prefect-down"
	@echo "  make metrics-up  Prometheus and Grafana; metrics-down"
	@echo "  Another Python than python3: make PYTHON=/path/to/python …"

demo: $(VENV)/.demo  ## run the weather example
	$(BIN)/volnux run examples/weather/weather.pty
	@echo "The chart and the database of this run:"
	@find examples/weather -name '*.png' -o -name '*.db' | sed 's/^/  /'

dev: $(VENV)/.dev  ## set up .venv with everything that development needs

check: $(VENV)/.dev  ## run the linters, the type checker and the fast tests: before each commit
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/lint-imports --no-cache >$(VENV)/contracts.txt || { cat $(VENV)/contracts.txt; exit 1; }
	$(BIN)/mypy
	$(BIN)/pytest -q -n 3 --dist worksteal -m "not slow" $(FAST_TESTS)

# A part consists of the sessions in noxfile.py with that tag.
test: PARTS := core
test-hosts: PARTS := hosts
test-all: PARTS := core hosts
test:  ## run every check and every test that needs no host
test-hosts:  ## run the tests on a real Airflow, a real Prefect and in containers
test-all:  ## run `make test` and then `make test-hosts`, with one report
test-hosts test-all: browser
test test-hosts test-all: $(VENV)/.tools programs
	@rm -rf $(REPORT) && mkdir -p $(REPORT)
	@status=0; \
	for part in $(PARTS); do \
		$(BIN)/nox --tags $$part --report $(REPORT)/$$part.nox.json || status=$$?; \
	done; \
	$(BIN)/python tools/test_report.py $(REPORT) $(PARTS) || status=$$?; \
	exit $$status

test-docker: $(VENV)/.tools  ## start the stacks in containers, run pipelines there and break things
	$(BIN)/nox -s docker

airflow-up prefect-up metrics-up: $(VENV)/.tools
	$(BIN)/python docker/stack.py up $(@:-up=)

airflow-down prefect-down metrics-down: $(VENV)/.tools
	$(BIN)/python docker/stack.py down $(@:-down=)

lint: $(VENV)/.tools  ## run ruff, mypy and the import contracts
	$(BIN)/nox -s lint

format: $(VENV)/.dev  ## format the code and fix what ruff can fix
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

build: $(VENV)/.tools  ## build the wheel and the source archive in dist/
	rm -rf dist
	$(BIN)/uv build --quiet --out-dir dist
	@ls dist/*.whl dist/*.tar.gz

bench: $(VENV)/.dev  ## run the benchmarks
	@for program in benchmarks/bench_*.py; do \
		echo "== $$program"; $(BIN)/python "$$program" || exit 1; \
	done

clean:  ## remove environments, caches and builds
	rm -rf $(VENV) .nox dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ------------------------------------------------------------------ environments

$(VENV)/.tools: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Volnux needs Python 3.11 or later; '$(PYTHON)' is" \
			"$$($(PYTHON) --version 2>&1). Use another one: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || sh tools/system_program.sh python3-venv
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv nox
	@touch $@

$(VENV)/.demo: $(VENV)/.tools pyproject.toml
	$(UV) --editable '.[examples,graphviz]'
	@touch $@

$(VENV)/.dev: $(VENV)/.tools pyproject.toml
	$(UV) --editable '.[dev]'
	@touch $@ $(VENV)/.demo

programs:
	@command -v dot >/dev/null || sh tools/system_program.sh graphviz
	@command -v prometheus >/dev/null || sh tools/system_program.sh prometheus

browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null \
		|| sh tools/system_program.sh chromium
