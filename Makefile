# make run: leadloop on SQLite, with the sandbox when there is no Meta app yet.   make test: everything, from nothing.
# Other ports: PORT=8080 LEADLOOP_SANDBOX_PORT=8081 make run
.PHONY: run test check format bench walk clean

PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

run: .make/run
	@$(BIN)/leadloop run --sandbox auto

test: .make/dev
	@sh tests/install-servers.sh
	@$(BIN)/python -m pytest -n 2 --dist loadscope -m "not services"
	@# Faults with real processes: what failed beside others on a busy machine is tried once more, alone, before it counts.
	@$(BIN)/python -m pytest -n 2 --dist loadscope -m services || $(BIN)/python -m pytest -m services --last-failed --last-failed-no-failures none

check: .make/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .make/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .make/bench
	@sh tests/install-servers.sh
	@$(BIN)/python -m bench

walk: .make/dev
	@$(BIN)/python docs/walk.py

clean:
	rm -rf .venv .make

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "leadloop needs Python 3.11 or newer; install it (for example: apt-get install python3 python3-venv)."; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Python cannot make a virtual environment: apt-get install python3-venv."; rm -rf .venv; exit 1; }

.make/run: pyproject.toml | .venv/bin/python
	@echo "Setting up .venv (once) ..."
	@$(PIP) install --quiet --upgrade pip
	@$(PIP) install --quiet --editable .
	@mkdir -p .make && touch $@

.make/bench: .make/dev
	@$(PIP) install --quiet --editable '.[dev,bench]'
	@touch $@

.make/dev: pyproject.toml | .venv/bin/python
	@echo "Setting up .venv with the tools for tests (once) ..."
	@$(PIP) install --quiet --upgrade pip
	@$(PIP) install --quiet --editable '.[dev]'
	@mkdir -p .make && touch $@ .make/run
