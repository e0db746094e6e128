# `make help` lists the targets. Two of them do all the set-up: `make book` and `make test`.
# PYTHON makes the environment VENV; another Python wants another folder: make PYTHON=python3.13 VENV=.venv313 package
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# uv installs about twice as fast; plain pip does the same work.
ifneq ($(shell command -v uv 2>/dev/null),)
INSTALL = uv pip install --quiet --python $(BIN)/python
else
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
SITE := _build/html

.DEFAULT_GOAL := help
.PHONY: help book test package lab execute live bench reproduce lock conda clean interpreter servers

help:  ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "  make %-8s %s\n", $$1, $$2}'

book: $(VENV)/.book  ## build the static site from stored outputs into _build/html (no data, no compiler)
	rm -rf _build
	$(BIN)/jupyter-book build . --warningiserror --keep-going --quiet
	@echo "open $(SITE)/index.html"

test: $(VENV)/.run  ## test the package, check every notebook, test the site in a browser
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -n 2 --dist loadfile
	$(BIN)/python tests/check_notebooks.py

package: $(VENV)/.run  ## test the package alone, for example make PYTHON=python3.13 VENV=.venv313 package
	$(BIN)/python -m pytest --ignore-glob='tests/test_site*'

lab: $(VENV)/.run  ## open the notebooks in JupyterLab, or with ARGS="--no-browser --port 9000"
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) $(ARGS) notebooks

execute: $(VENV)/.run  ## run text sources into notebooks, all or CH="svd ..."
	$(BIN)/python book/execute.py $(CH)

live: $(VENV)/.run  ## fit the model of the live recommender again, into book/_static/live/model.js
	$(BIN)/python book/live_model.py

bench: $(VENV)/.run  ## run every benchmark (long) and rewrite benchmarks/results, or B="ranking ..."
	@for name in $(or $(B),$(basename $(notdir $(wildcard benchmarks/[a-z]*.py)))); do \
		echo "benchmark $$name"; $(BIN)/python -m benchmarks.$$name || exit 1; done

reproduce: $(VENV)/.run  ## compute the published figures of the page of reproductions again (a quarter of an hour)
	$(BIN)/python -m benchmarks.reproductions

servers: $(VENV)/.servers  ## install dynalite, which stands in for DynamoDB in tests and on pages (needs npm)

lock:  ## renew the locks under requirements/ (needs uv)
	$(COMPILE) --upgrade --extra book --extra notebooks --extra serving --extra retrieval --extra spark --extra test \
		--no-emit-package annoy pyproject.toml -o requirements/test.txt
	$(COMPILE) --extra book -c requirements/test.txt pyproject.toml -o requirements/book.txt
	$(COMPILE) --no-deps requirements/xlearn.in -o requirements/xlearn.txt
	$(COMPILE) --no-deps requirements/nodeps.in -o requirements/nodeps.txt

# PySpark is published as source only, which needs no compiler.
conda: $(VENV)/.run  ## see that the pip part of environment.yml installs without a compiler (downloads, installs nothing)
	rm -rf _build/conda && $(BIN)/python -m venv _build/conda
	$(BIN)/python -c "import yaml; part = yaml.safe_load(open('environment.yml'))['dependencies'][-1]['pip']; \
		print(*(line for line in part if '==' in line), sep='\n')" > _build/conda/pip.txt
	$(subst $(BIN)/python,_build/conda/bin/python,$(INSTALL)) --dry-run --only-binary :all: --no-binary pyspark \
		-r _build/conda/pip.txt

clean:  ## remove the environments, Numba's compiled code and everything built
	rm -rf $(VENV) .venv3* _build build *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name .git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

interpreter:
	@if [ ! -x $(BIN)/python ]; then \
		$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
			echo "$(PYTHON) does not run, or is older than 3.11; name another interpreter: make PYTHON=python3.12 ..."; exit 1; }; \
		$(PYTHON) -m venv $(VENV); \
	elif [ "$(origin PYTHON)" != file ]; then \
		tell='import sys; print("%d.%d" % sys.version_info[:2])'; \
		has=$$($(BIN)/python -c "$$tell"); asked=$$($(PYTHON) -c "$$tell" 2>/dev/null) || asked="no Python that runs"; \
		[ "$$has" = "$$asked" ] || { \
			echo "$(VENV) holds Python $$has, and PYTHON=$(PYTHON) is $$asked; name another folder: VENV=.venv-other"; exit 1; }; \
	fi

$(VENV)/.book: requirements/book.txt pyproject.toml | interpreter
	$(INSTALL) --require-hashes -r requirements/book.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.run: requirements/test.txt requirements/nodeps.txt requirements/xlearn.txt $(VENV)/.book | $(VENV)/.servers
	$(INSTALL) --require-hashes -r requirements/test.txt
	$(INSTALL) --require-hashes --no-deps -r requirements/nodeps.txt
	@if command -v make >/dev/null && command -v c++ >/dev/null; then \
		echo "building xLearn and Annoy from source (one to three minutes)"; \
		PATH="$(CURDIR)/$(BIN):$$PATH" $(INSTALL) --require-hashes --no-deps --no-build-isolation -r requirements/xlearn.txt; \
	else \
		echo; echo "NOTE: xLearn and Annoy need a C++ compiler and make, and none was found. Everything else works; their cells"; \
		echo "in the chapters do not. Install them (Debian: apt-get install g++ make) and run this again."; \
		echo; \
	fi
	@touch $@

# Retried by the next run where it could not be installed.
$(VENV)/.servers: requirements/dynalite/package-lock.json | interpreter
	@mkdir -p $(VENV)/dynalite; cp requirements/dynalite/package*.json $(VENV)/dynalite/
	@if npm ci --prefix $(VENV)/dynalite --ignore-scripts --no-audit --no-fund --silent; then \
		ln -sf ../dynalite/node_modules/.bin/dynalite $(BIN)/dynalite; touch $@; \
	else \
		echo; echo "NOTE: dynalite, which stands in for DynamoDB, could not be installed: it needs npm (Debian: apt-get install npm)."; \
		echo "Everything else works; the tests that need it are skipped."; echo; \
	fi
