.DEFAULT_GOAL := help
UV := .venv/bin/uv
UV_VERSION := 0.13.9
RUN := .venv/bin/

.PHONY: help setup demo test lint format up down clean

help:  ## List the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

setup: .venv/.ready  ## Make .venv from the lock: all that the other targets need

.venv/.ready: pyproject.toml uv.lock
	test -x $(UV) || { python3 -m venv .venv && .venv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); }
	$(UV) sync --quiet --frozen --all-extras
	touch $@

demo: setup  ## Run the sample knowledge base through three days; exits 0 only if all of it held
	$(RUN)kb demo

test: setup  ## Run the tests, with a real Postgres, Dagster and embedding model
	$(RUN)pytest

lint: setup  ## Check style, types and import rules
	$(RUN)ruff check .
	$(RUN)basedpyright
	$(RUN)lint-imports --no-cache

up: setup  ## Start Postgres, Dagster's webserver and daemon
	$(RUN)kb up

down:  ## Stop them
	$(RUN)kb down

clean: ## Remove what tests and linters leave
	rm -rf .pytest_cache .ruff_cache .hypothesis
