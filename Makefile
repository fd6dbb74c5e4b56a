.DEFAULT_GOAL := help
UV := .venv/bin/uv
UV_VERSION := 0.13.9
RUN := .venv/bin/
PACKAGES := kb_audit kb_client kb_contracts kb_platform kb_review_worker
EXPORT := $(UV) export --quiet --frozen --all-extras --no-extra gpu --no-default-groups --no-emit-project --no-hashes --no-annotate --no-header

.PHONY: help setup demo test test-again test-endurance fuzz test-kubernetes lint docs constraints histories up down clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

setup: .venv/.ready  ## Make .venv from the lock: all that the other targets need

.venv/.ready: pyproject.toml uv.lock
	test -x $(UV) || { python3 -m venv .venv && .venv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); }
	$(UV) sync --quiet --frozen --all-extras --no-extra gpu --compile-bytecode
	$(RUN)python -m compileall -q $(PACKAGES)
	touch $@

demo: setup  ## Run the sample knowledge base through four days; exits 0 only if all of it held
	$(RUN)kb demo

# What had failed is kept for `test-again` only of a run that came to its end (exit code 1): it must not hide a crash of pytest.
test: setup  ## Run the tests, with a real Postgres, Dagster and embedding model
	$(RUN)pytest --numprocesses $$(( $$(getconf _NPROCESSORS_ONLN) + 1 )) --maxprocesses 4 --dist loadfile --durations=25 || \
	  { code=$$?; [ $$code = 1 ] || rm -rf .pytest_cache; exit $$code; }

test-endurance: setup  ## Run the long proofs whole: kills at every step, whole histories, the whole of MedQuAD
	$(RUN)pytest -p no:xdist -m endurance --durations=0

fuzz: setup  ## Run the property tests with examples that were never tried
	$(RUN)pytest -p no:xdist -m hypothesis --hypothesis-profile=fuzz

test-again: setup  ## Run the tests that failed once more, alone
	$(RUN)pytest -p no:xdist --last-failed --last-failed-no-failures none

test-kubernetes: setup  ## Run the tests in the cluster of KUBECONFIG, with the image KB_TEST_IMAGE (docs/compute.md)
	$(RUN)pytest -p no:xdist --durations=0 -rs kb_platform_tests/kubernetes

lint: setup  ## Check style, types and import rules
	$(RUN)ruff check .
	$(RUN)basedpyright
	$(RUN)lint-imports --no-cache
	$(EXPORT) | diff constraints.txt - || { echo "constraints.txt is not what uv.lock says: make constraints"; exit 1; }

docs: setup  ## Write the reference pages of docs/ anew from the code
	$(RUN)python -m kb_platform_tests.docs.references

constraints: setup  ## Write constraints.txt, for pip, anew from uv.lock
	$(EXPORT) > constraints.txt

histories: setup  ## Record the histories of reviews that the replay test replays; NAME=release
	$(RUN)python -m kb_review_worker_tests.replay.histories $(or $(NAME),$(shell $(RUN)python -c 'from importlib.metadata import version; print(version("kb-platform"))'))

up: setup  ## Start Postgres, Dagster's webserver and daemon
	$(RUN)kb up

down:  ## Stop them
	$(RUN)kb down

clean: ## Remove what tests and linters leave
	rm -rf .pytest_cache .ruff_cache .hypothesis
