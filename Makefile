# Everything a person does here. `make` alone prints the targets.
PYTHON ?= python3.11
ifeq ($(shell command -v $(PYTHON) 2>/dev/null),)
PYTHON := python3
endif
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements.lock pyproject.toml hack/locked.py

.DEFAULT_GOAL := help
.PHONY: help demo test lint format bench generate verify lock cluster cluster-down images built-images install test-cluster cluster-tests bench-cluster test-bringup

help: ## Print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.local ## Run the examples in the local mode, call each with the AWS SDK, and end
	@$(BIN)/python examples/demo.py

test: $(VENV)/.dev ## Lint, type-check and run every test that needs neither root nor a cluster
	@$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest tests/unit -q -n 2
	$(BIN)/python -m pytest tests/chart -q
	$(BIN)/python -m pytest tests/component tests/conformance -q -n 2

lint: $(VENV)/.dev ## Check style, types, import directions and generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python hack/locked.py runtime-python | diff -u runtime-images/python/requirements.txt -
	@$(MAKE) --no-print-directory verify

format: $(VENV)/.dev ## Rewrite the sources in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## Measure the gateway, the cold start and the memory, as ratios within one run
	$(BIN)/python bench/run.py

cluster: $(VENV)/.dev ## Bring up a real single-node Kubernetes on this machine (Linux, root) and write .cluster/kubeconfig
	@$(BIN)/python hack/kubernetes up

cluster-down: $(VENV)/.dev ## Take that Kubernetes away
	@$(BIN)/python hack/kubernetes down

images: $(VENV)/.dev ## Build every image that has changed and load it into that Kubernetes
	@$(BIN)/python hack/kubernetes images

install: $(VENV)/.dev ## Install the chart on $$KUBECONFIG, else on that Kubernetes; VALUES=FILE for images of your own
	@$(BIN)/python hack/kubernetes install $(VALUES:%=--values=%)

test-cluster: $(VENV)/.dev ## Do all of that as needed, then run the tests that need a cluster
	@$(MAKE) --no-print-directory -j2 $(if $(KUBECONFIG),,cluster) $(if $(VALUES),,built-images)
	@$(if $(VALUES),,$(MAKE) --no-print-directory images)
	@$(MAKE) --no-print-directory install
	@$(MAKE) --no-print-directory cluster-tests

# Most tests keep to a namespace of their own; those that take gateways, operators, the release or all CPU away go last and alone.
cluster-tests: export KUBECONFIG := $(or $(KUBECONFIG),$(CURDIR)/.cluster/kubeconfig)
cluster-tests: $(VENV)/.dev
	$(BIN)/python -m pytest tests/cluster -q -m "not disturbs" -n 3 --dist loadfile
	$(BIN)/python -m pytest tests/cluster -q -m disturbs

# The images without the cluster, to build them while it is built.
built-images: $(VENV)/.dev
	@$(BIN)/python hack/kubernetes images --build-only

test-bringup: $(VENV)/.dev ## Take that Kubernetes down and up and down again, kindly and not, and look at what is left
	$(BIN)/python -m pytest tests/bringup -q

bench-cluster: $(VENV)/.dev ## Measure an installed Mayfly on $$KUBECONFIG, else on that Kubernetes: cold starts, warm calls, memory
	KUBECONFIG=$${KUBECONFIG:-$(CURDIR)/.cluster/kubeconfig} $(BIN)/python bench/cluster.py

generate: $(VENV)/.dev ## Write what is generated from the model: docs/functions.md, crds/ and the chart's copies
	$(BIN)/python hack/function_reference.py > docs/functions.md
	$(BIN)/python hack/crds

verify: $(VENV)/.dev ## Check that what is generated is what the model says
	$(BIN)/python hack/function_reference.py | diff -u docs/functions.md -
	$(BIN)/python hack/crds --check

lock: $(VENV)/.dev ## Resolve requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile -q --upgrade --universal --all-extras --generate-hashes --no-header pyproject.toml -o requirements.lock
	$(BIN)/python hack/locked.py runtime-python > runtime-images/python/requirements.txt

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# Two stamps: the local mode alone, and everything a developer needs.
$(VENV)/.local: $(LOCK) | $(BIN)/python
	@echo "Setting up .venv for the local mode (once)"
	@$(BIN)/python hack/locked.py local build > $(VENV)/local.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $(VENV)/local.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(LOCK) | $(BIN)/python
	@echo "Setting up .venv for development (once)"
	@$(BIN)/python hack/locked.py dev build > $(VENV)/dev.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $(VENV)/dev.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.local
