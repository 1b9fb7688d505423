# One verb a target; `make` alone lists them.
PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .tools/uv/bin/uv)
VENV := .venv
BIN := $(VENV)/bin
STUBS := services/common/src
export UV_PYTHON_DOWNLOADS := never
export UV_LINK_MODE := copy

.DEFAULT_GOAL := help
.PHONY: help lock lint proto clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.tools/uv/bin/uv:
	$(PYTHON) -m venv .tools/uv
	.tools/uv/bin/pip install --quiet uv

$(VENV)/local: requirements-local.lock pyproject.toml | $(filter .tools/%,$(UV))
	$(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	$(UV) pip install --quiet --require-hashes -r requirements-local.lock
	$(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev: requirements-dev.lock $(VENV)/local
	$(UV) pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

lock: | $(filter .tools/%,$(UV)) ## pin every dependency anew, with hashes
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url pyproject.toml -o requirements.lock
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url pyproject.toml --extra local -c requirements.lock -o requirements-local.lock
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url pyproject.toml --extra local --group dev -c requirements-local.lock -o requirements-dev.lock

proto: $(VENV)/dev ## generate the gRPC stubs from proto/
	rm -rf $(STUBS)/reelback
	PATH=$(BIN):$$PATH $(BIN)/python -m grpc_tools.protoc -I proto --python_out=$(STUBS) --pyi_out=$(STUBS) \
	  --grpc_python_out=$(STUBS) --mypy_grpc_out=$(STUBS) $(wildcard proto/reelback/v1/*.proto)

clean: ## remove what was installed and what runs left behind
	rm -rf .venv .tools .reelback .mypy_cache .pytest_cache .ruff_cache
