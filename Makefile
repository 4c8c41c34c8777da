# Every target installs what it needs into .venv, once, and again when pyproject.toml or the version changes.
# To use another Python beside the first: make test PYTHON=python3.13 VENV=.venv-3.13

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 3
PARTS ?=
ETCD ?=
SECONDS ?= 3600
RATE ?= 20000
RECEIVE ?= thread
CHROMIUM ?= $(firstword $(foreach name,chromium chromium-browser google-chrome,$(shell command -v $(name))))
PROMETHEUS ?= $(shell command -v prometheus || ls -1 "$(CURDIR)/build/prometheus/usr/bin/prometheus" 2>/dev/null)
SCREENSHOTS ?= build/screenshots
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test test-thorough browser graphviz test-browser prometheus test-prometheus lint bench measure soak docs clean
# Two targets at once would be two pips in one environment.
.NOTPARALLEL:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.extra-demo$(if $(ETCD),-etcd) ## run the temperature example over ZeroMQ; ETCD=1 by name
	@$(BIN)/graphcore demo$(if $(ETCD), --etcd)

test: $(VENV)/.extra-dev ## run the tests and doctests, three at a time; JOBS=0 one by one
	@$(BIN)/pytest --numprocesses=$(JOBS) --dist=loadfile --no-loadscope-reorder -m "not thorough"

test-thorough: $(VENV)/.extra-dev ## run 50,000 random graphs, 1,000 cases of each other random test, and what test leaves out
	@$(BIN)/pytest --numprocesses=$(JOBS) --hypothesis-profile=thorough -m "hypothesis or thorough"

browser: ## find Chromium for test-browser, or install it as root; CHROMIUM=path names one
	@test -n "$(CHROMIUM)" || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
		{ apt-get update -qq >/dev/null 2>&1; apt-get install -qq -y --no-install-recommends chromium >/dev/null 2>&1; }; } || { \
		echo "make test-browser needs Chromium: apt-get install chromium, or name it with CHROMIUM=path" >&2; \
		exit 1; }

graphviz: ## find Graphviz for the drawings of the docs, or install it as root
	@command -v dot >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
		{ apt-get update -qq >/dev/null 2>&1; apt-get install -qq -y --no-install-recommends graphviz >/dev/null 2>&1; }; } || { \
		echo "the drawings of the docs need Graphviz: apt-get install graphviz" >&2; \
		exit 1; }

test-browser: browser graphviz $(VENV)/.extra-browser ## test the live view and the pictures of the docs in a real browser; SCREENSHOTS=folder keeps them
	@CHROMIUM="$(CHROMIUM)" SCREENSHOTS="$(SCREENSHOTS)" $(BIN)/pytest tests/browser

# Only the program is needed, so nothing is installed: no user, no service.
prometheus: ## find Prometheus for test-prometheus, or get Debian's package; PROMETHEUS=path names one
	@test -n "$(PROMETHEUS)" || { command -v apt-get >/dev/null && mkdir -p build/prometheus && \
		{ apt-get update -qq >/dev/null 2>&1; cd build/prometheus && \
		apt-get download -qq prometheus >/dev/null 2>&1 && dpkg -x prometheus_*.deb .; }; } || { \
		echo "make test-prometheus needs Prometheus: apt-get install prometheus, or name it with PROMETHEUS=path" >&2; \
		exit 1; }

test-prometheus: prometheus $(VENV)/.extra-dev ## test metrics and dashboard with a real Prometheus
	@PROMETHEUS="$(PROMETHEUS)" $(BIN)/pytest tests/prometheus

lint: $(VENV)/.extra-dev ## check style, formatting and types
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/basedpyright --pythonpath $(BIN)/python

# An environment of their own: csp keeps pyarrow old.
bench: ## measure against the peers; PARTS="chain sparse" measures these alone
	@$(MAKE) --no-print-directory VENV=$(VENV)-bench measure

measure: $(VENV)/.extra-bench
	@$(BIN)/python -m benchmarks $(PARTS)

soak: $(VENV)/.extra-dev ## send for an hour, lose nothing, stay as large; SECONDS=60 RATE=20000
	@$(BIN)/python -m benchmarks.soak --seconds $(SECONDS) --rate $(RATE) --receive $(RECEIVE)

docs: browser graphviz $(VENV)/.extra-docs ## make the pictures of the docs anew, and the site in site/
	@CHROMIUM="$(CHROMIUM)" SCREENSHOTS=docs/pictures $(BIN)/pytest -q tests/browser -m pictures
	@$(BIN)/mkdocs build --strict

clean: ## remove all that make, the build and the tests leave behind
	rm -rf "$(VENV)" "$(VENV)-bench" build dist site *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Distributions that split pip from ensurepip can make the environment only without pip.
$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "graphcore needs Python 3.11 or newer, and $(PYTHON) is not: name one with PYTHON=..." >&2; \
		exit 1; }
	@$(PYTHON) -m venv --clear "$(VENV)" >/dev/null 2>&1 || { \
		$(PYTHON) -m venv --clear --without-pip "$(VENV)" && \
		$(PYTHON) -m pip --python "$(BIN)/python" install -qq pip; }
	@touch $@

# The version stands in a file of its own, which pyproject.toml reads.
# Twice quiet: newer pips pass on a banner of setuptools that is about every editable install.
$(VENV)/.extra-%: pyproject.toml graphcore/version.py $(VENV)/.created
	@echo "Installing graphcore[$*] into $(VENV)"
	@$(BIN)/python -m pip install -qq --editable ".[$*]"
	@touch $@
