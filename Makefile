# The plain command behind each target is in docs/commands.md.
.DEFAULT_GOAL := help
# Images of Python often set it. Without bytecode every program compiles torch and Dagster anew, which doubles its start.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo loop test test-all test-processors test-components ui check clean

help:  ## show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1	\2/' | expand -t 22

demo:  ## install, then run the shipped use case from raw records to the release decision
	@scripts/install.sh demo
	@.venv/bin/ft demo

loop:  ## install, then play the loop: a change, alarm, retraining, shadow, canary, switch, recovery
	@scripts/install.sh demo
	@.venv/bin/ft loop

test:  ## install, then run the unit tests and one smoke test for each seam (minutes)
	@scripts/install.sh dev
	.venv/bin/python -m pytest -n auto --maxprocesses 4

test-all:  ## install, then run all tests but those marked slow (minutes each); CI runs this
	@scripts/install.sh dev
	.venv/bin/python -m pytest -n auto --maxprocesses 4 -m 'not slow'

NUMERIC := ft_platform_tests/models ft_platform_tests/privacy/ner ft_platform_tests/training ft_platform_tests/serving
test-processors:  ## install, then test kernels, models and training as if the processor had AVX2 alone, and AVX-512 without AMX
	@scripts/install.sh dev
	ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 ONEDNN_MAX_CPU_ISA=AVX2 .venv/bin/python -m pytest -n auto --maxprocesses 4 $(NUMERIC)
	ATEN_CPU_CAPABILITY=avx512 MKL_ENABLE_INSTRUCTIONS=AVX512 ONEDNN_MAX_CPU_ISA=AVX512_CORE .venv/bin/python -m pytest -n auto --maxprocesses 4 $(NUMERIC)

test-components:  ## install, then test with servers, engines and browsers, and note what they came to
	@scripts/install.sh dev
	.venv/bin/python -m ft_platform_tests.components

ui:  ## install, then start Dagster's UI and daemon on http://127.0.0.1:3000
	@scripts/install.sh demo
	@.venv/bin/ft ui

check:  ## ruff, pyright, YAML, use-case files, documentation
	@scripts/install.sh dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/pyright
	.venv/bin/yamllint --strict .
	.venv/bin/ft check
	.venv/bin/python scripts/check_docs.py

.PHONY: docs
docs:  ## install, then build the documentation into site/; broken links are errors
	@scripts/install.sh docs
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict

clean:  ## remove .venv, site/ and caches; keeps .ft, which holds the lake and the key
	rm -rf .venv .pytest_cache .ruff_cache dist site
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
