PYTHON ?= python3
BIN := .venv/bin
export PYTHONPATH := $(CURDIR)

# What the locks hold is all that comes, in the versions and files they name.
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check
LOCKED := $(INSTALL) --require-hashes --no-deps -r

.PHONY: run run-llm test slow lint format baseline bench lock setup setup-dev setup-llm clean

run: setup  ## serve the app on http://127.0.0.1:8501
	$(BIN)/streamlit run app.py

run-llm: setup-llm run  ## the same, with a small language model on this machine for conversations

test: setup-dev  ## every test but the long trainings
	$(BIN)/pytest

slow: setup-dev  ## the long trainings too
	$(BIN)/pytest -m "slow or not slow"

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/pyrefly check

baseline: setup-dev  ## what the type checker finds today, to be found no more; never for `workspace/` and `api/`
	$(BIN)/pyrefly check --update-baseline

format: setup-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup-dev  ## side-by-side measurements, printed and written to bench/results.md
	$(BIN)/python -m bench.ingest
	$(BIN)/python -m bench.generators
	$(BIN)/python -m bench.metrics

lock: setup-dev  ## the locks anew from the requirements; `make lock UPGRADE=--upgrade` takes the newest of what is not pinned
	$(BIN)/uv pip compile --quiet $(UPGRADE) requirements.txt -o requirements.lock
	$(BIN)/uv pip compile --quiet $(UPGRADE) requirements-dev.txt -c requirements.lock -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet $(UPGRADE) requirements-llm.txt -c requirements.lock -o requirements-llm.lock

setup: .venv/app
setup-dev: .venv/dev

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || \
		{ echo "Understudy needs Python 3.11 to 3.14; $(PYTHON) is $$($(PYTHON) --version)."; exit 1; }
	$(PYTHON) -m venv .venv

# torch first, by itself: its build differs by machine, so no lock can hold its hash.
.venv/torch: requirements.txt | .venv/bin/python
	$(INSTALL) "$$(grep -o '^torch==[^ ]*' requirements.txt)"
	@touch $@

.venv/app: requirements.lock pyproject.toml .venv/torch
	$(LOCKED) requirements.lock
	$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: requirements-dev.lock .venv/app
	$(LOCKED) requirements-dev.lock
	@touch $@

setup-llm: .venv/llm

.venv/llm: requirements-llm.lock .venv/app
	CMAKE_BUILD_PARALLEL_LEVEL=2 $(LOCKED) requirements-llm.lock
	@touch $@

clean:
	rm -rf .venv
