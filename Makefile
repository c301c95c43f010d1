PYTHON ?= python3
BIN := .venv/bin
export PYTHONPATH := $(CURDIR)

.PHONY: run run-llm test slow lint format bench setup setup-dev setup-llm clean

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
	$(BIN)/lint-imports

format: setup-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup-dev  ## side-by-side measurements, printed and written to bench/results.md
	$(BIN)/python -m bench.ingest
	$(BIN)/python -m bench.generators
	$(BIN)/python -m bench.metrics

setup: .venv/app
setup-dev: .venv/dev

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Understudy needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version)."; exit 1; }
	$(PYTHON) -m venv .venv

.venv/app: requirements.txt | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/dev: requirements-dev.txt requirements.txt | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch .venv/app $@

setup-llm: .venv/llm

.venv/llm: requirements-llm.txt | .venv/app
	CMAKE_BUILD_PARALLEL_LEVEL=2 $(BIN)/pip install --quiet --disable-pip-version-check -r requirements-llm.txt
	@touch $@

clean:
	rm -rf .venv
