# modelog: what this checkout can do. `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help demo up down psql test test-long test-unit test-integration test-e2e test-sdk test-upgrade test-minio test-docker test-in-docker mutants check format bench bench-quick soak rebuild parked image sbom lock generate clean
MAKEFLAGS += --no-print-directory

PYTHON := .venv/bin/python
READY  := .venv/ready
ARGS   ?=

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(READY) ## start everything, train a toy model and print every event as it passes
	@$(PYTHON) -m examples.demo $(ARGS)

up: $(READY) ## start Kafka, Postgres, S3 and every service, or what has ended of them; returns when all are ready
	@$(PYTHON) -m stack up $(ARGS)

down: $(READY) ## end what `make up` started; the data stays
	@$(PYTHON) -m stack down $(ARGS)

psql: $(READY) ## ask the views and the log in SQL, with the login that may only read (ARGS="-c 'select …'")
	@$(PYTHON) -m stack psql $(ARGS)

# Two workers on the servers of a single stack; a module stays in its worker. The longest groups come first.
WORKERS := -n 2 --dist loadscope --no-loadscope-reorder

QUICK := -m "not long and not minio and not docker"

test: $(READY) ## run every test but the long ones: unit, sdk, integration, e2e
	@$(PYTHON) -m pytest -q $(WORKERS) --durations=10 $(QUICK) tests $(ARGS)

test-long: $(READY) ## run the long tests: storms, thousands of random cases, upgrades (up to 40 minutes)
	@$(PYTHON) -m pytest -q --durations=10 -m long tests $(ARGS)

test-unit: $(READY) ## run the tests that need nothing running
	@$(PYTHON) -m pytest -q $(WORKERS) --durations=10 $(QUICK) tests/unit $(ARGS)

test-integration: $(READY) ## run the tests on real servers, the SDK's among them
	@$(PYTHON) -m pytest -q $(WORKERS) --durations=10 $(QUICK) tests/integration tests/sdk $(ARGS)

test-e2e: $(READY) ## run the tests on real servers and real services
	@$(PYTHON) -m pytest -q $(WORKERS) --durations=10 $(QUICK) tests/e2e $(ARGS)

test-minio: $(READY) ## run the tests of S3 in another region, with temporary keys and TLS (builds MinIO with Go, once)
	@$(PYTHON) -m stack minio
	@$(PYTHON) -m pytest -q -m minio tests $(ARGS)

test-docker: $(READY) ## run the tests of the image and of compose.yaml, then the integration tests on containers
	@$(PYTHON) -m tests.docker $(MAKE) test-in-docker

test-in-docker: $(READY)
	@$(PYTHON) -m pytest -q -m docker tests/docker $(ARGS)
	@MODELOG_STACK=docker $(MAKE) test-integration

mutants: $(READY) ## change the pure modules in 1,900 places and print each change that no unit test notices
	@$(PYTHON) -m tests.mutants $(ARGS)

SDK_TESTS := pytest pytest-asyncio hypothesis cloudevents jsonschema

test-sdk: $(READY) ## build the SDK's wheel and test it alone, on the oldest Python here
	@rm -rf .venv/sdk && mkdir .venv/sdk
	@.venv/bin/uv build --quiet --wheel --out-dir .venv/sdk sdk
	@for version in 3.10 3.11 3.12 3.13 3.14; do \
	    oldest=$$(.venv/bin/uv python find --no-project --no-python-downloads $$version 2>/dev/null) && break; \
	done; .venv/bin/uv venv --quiet --python "$$oldest" .venv/sdk/venv
	@.venv/bin/uv pip install --quiet --python .venv/sdk/venv "$$(ls .venv/sdk/*.whl)[kafka,s3]" $(SDK_TESTS)
	@.venv/sdk/venv/bin/python -m pytest tests/sdk -q --confcutdir=tests/sdk -p no:cacheprovider $(ARGS)

FROM ?= ea756c9

test-upgrade: $(READY) ## run the services of an older commit beside today's, under load (FROM=ea756c9)
	@$(PYTHON) -m tests.upgrade $(FROM)

check: $(READY) ## lint, formatting, types, and who may import whom
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo

format: $(READY) ## format the code and fix what ruff can fix
	@.venv/bin/ruff format --quiet .
	@.venv/bin/ruff check --quiet --fix .

bench: $(READY) ## measure, each number beside a peer's in the same run
	@$(PYTHON) -m bench $(ARGS)

bench-quick: $(READY) ## measure less, in two minutes
	@$(PYTHON) -m bench --quick $(ARGS)

soak: $(READY) ## run everything under a steady load for ten minutes, then look for leaks (ARGS="--minutes 60")
	@$(PYTHON) -m bench.soak $(ARGS)

rebuild: $(READY) ## build every view again from the log, beside the tables in use, then swap
	@$(PYTHON) -m operations rebuild $(ARGS)

parked: $(READY) ## list the parked records with their reasons (ARGS="--help" for more)
	@$(PYTHON) -m operations parked $(ARGS)

MODELOG_IMAGE ?= modelog
SBOM          ?= .
VERSION        = $(shell awk -F '"' '/^version/ { print $$2; exit }' pyproject.toml)
REVISION       = $(shell git describe --always --abbrev=40 --dirty --exclude '*' 2>/dev/null || echo unknown)
# The time of the commit, so that the same commit makes the same image.
CREATED        = $(shell TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null || echo 1980-01-01T00:00:00Z)
EPOCH          = $(shell git log -1 --format=%ct 2>/dev/null || echo 315532800)
BUILD          = docker build --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) \
    --build-arg CREATED=$(CREATED) --build-arg SOURCE_DATE_EPOCH=$(EPOCH)
NO_BUILDX     := The image is built by BuildKit: install Docker's plugin buildx (on Debian: apt install docker-buildx).

image: ## build the image of all services with Docker (ARGS="--build-arg PYTHON=python:3.13-slim@sha256:…")
	@docker buildx version >/dev/null 2>&1 || { echo "$(NO_BUILDX)" >&2; exit 1; }
	@$(BUILD) --tag $(MODELOG_IMAGE) $(ARGS) .
	@docker image inspect --format '{{.Size}}' $(MODELOG_IMAGE) \
	    | awk '{ printf "%s: version %s, commit %s, %.0f MB\n", "$(MODELOG_IMAGE)", "$(VERSION)", "$(REVISION)", $$1 / 1e6 }'

sbom: ## list what is in the image, with versions and licenses, as CycloneDX (SBOM=FOLDER)
	@docker buildx version >/dev/null 2>&1 || { echo "$(NO_BUILDX)" >&2; exit 1; }
	@$(BUILD) --target sbom --output $(SBOM) $(ARGS) .
	@echo "wrote $(SBOM)/modelog.cdx.json"

lock: $(READY) ## resolve the dependencies again into requirements.lock
	@.venv/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --upgrade \
	    --no-header --no-annotate --no-emit-index-url --no-emit-package modelog \
	    --group everything --output-file requirements.lock pyproject.toml

generate: $(READY) ## write the generated files: schemas, samples, the README's table of events
	@$(PYTHON) -m operations generate

clean: ## end what runs, then delete its data, the caches and .venv
	@if [ -e $(READY) ]; then $(PYTHON) -m stack down --erase; fi
	@rm -rf .venv .modelog .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment, from nothing but Python and make: uv first, with its hash in the lock, then all other packages with theirs.
# pip installs what uv could not (for a mirror that only pip is configured for).
GOOD_PYTHON := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
FIND_PYTHON := for program in python3 python3.13 python3.12 python3.11 python3.14 python; do \
    "$$program" -c '$(GOOD_PYTHON)' 2>/dev/null && command -v "$$program" && break; done
PIP         := $(PYTHON) -m pip install --quiet --disable-pip-version-check
LOG         := .venv/install.log
NO_PYTHON   := modelog needs Python 3.11 to 3.14 with its venv module (on Debian and Ubuntu: apt install python3-venv).
NO_PACKAGES := The packages could not be installed: the first use needs the network. $(LOG) ends with:
NO_SDK      := The SDK in sdk/ could not be installed. $(LOG) ends with:

$(READY): requirements.lock pyproject.toml sdk/pyproject.toml
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || { \
	    python=$$($(FIND_PYTHON)); \
	    [ -n "$$python" ] || { echo "$(NO_PYTHON)" >&2; exit 1; }; \
	    echo "Creating .venv with $$("$$python" --version)."; \
	    "$$python" -m venv --clear .venv; }
	@echo "Installing what requirements.lock names into .venv; the first time takes a minute."
	@awk '/^[^ ]/ { uv = /^uv==/ } uv' requirements.lock > .venv/uv.lock
	@{ $(PIP) --require-hashes -r .venv/uv.lock && \
	   { .venv/bin/uv pip install --quiet --python $(PYTHON) --require-hashes -r requirements.lock || \
	     $(PIP) --require-hashes -r requirements.lock; }; \
	 } >$(LOG) 2>&1 || { echo "$(NO_PACKAGES)" >&2; tail -n 3 $(LOG) >&2; exit 1; }
	@$(PIP) --no-deps --no-build-isolation --editable sdk >$(LOG) 2>&1 || { echo "$(NO_SDK)" >&2; tail -n 3 $(LOG) >&2; exit 1; }
	@touch $@
