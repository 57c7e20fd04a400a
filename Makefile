SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
# Tests append a line for each case that they cannot run here.
SKIPPED := $(TARGET)/skipped.txt

# Private items are documented too, so that links to them hold. Comments of the command line are
# also its help text, where <scenario> is no HTML.
DOC_LINTS := -D warnings -A rustdoc::private_intra_doc_links -A rustdoc::invalid_html_tags

# Those within the crate are built as fast as can be; the program that the others call has to be fast.
UNIT_TESTS := --locked --lib --config profile.dev.package.loadgen.opt-level=0
WHOLE_TESTS := --locked --test '*'
# These mostly wait.
THREADS := $(shell echo $$(($$(nproc 2>/dev/null || echo 2) + 1)))

# Other systems for which everything compiles, where rustup has their standard library.
SYSTEMS := x86_64-unknown-freebsd aarch64-apple-darwin

.PHONY: help build run check test built systems portable cards bench perf-ci error-rates clean

help: ## list these targets
	@grep -E '^[a-z-]+:.*##' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 21

build: ## build the program, optimised
	$(CARGO) build --release --locked

run: ## run the first scenario: scenarios/backlog.toml
	$(CARGO) run --release --locked -- run scenarios/backlog.toml

check: ## formatting, lints, documentation
	@$(CARGO) fmt --version >/dev/null 2>&1 || rustup component add rustfmt || \
	  { echo "rustfmt is missing: rustup component add rustfmt" >&2; exit 1; }
	@$(CARGO) clippy --version >/dev/null 2>&1 || rustup component add clippy || \
	  { echo "clippy is missing: rustup component add clippy" >&2; exit 1; }
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="$(DOC_LINTS)" $(CARGO) doc --locked --no-deps --document-private-items

test: ## every test; lists those that could not run here
	@tests/needs.sh "$(TARGET)"
	@mkdir -p "$(TARGET)"; : > "$(SKIPPED)"
	@status=0; \
	export LOADGEN_SKIPPED="$(SKIPPED)" PYTHONPATH="$(TARGET)/pyenv$${PYTHONPATH:+:$$PYTHONPATH}"; \
	$(CARGO) test --no-fail-fast $(UNIT_TESTS) || status=$$?; \
	RUST_TEST_THREADS=$(THREADS) $(CARGO) test --no-fail-fast $(WHOLE_TESTS) || status=$$?; \
	echo; \
	if [ -s "$(SKIPPED)" ]; then echo "skipped tests:"; cat "$(SKIPPED)"; \
	else echo "no test was skipped"; fi; \
	exit $$status

built: # what `test` builds, and nothing else
	$(CARGO) test --no-run $(WHOLE_TESTS)
	$(CARGO) test --no-run $(UNIT_TESTS)

systems: ## does it compile for other systems?
	@mkdir -p "$(TARGET)"; touch "$(SKIPPED)"
	@for system in $(SYSTEMS); do \
	  if timeout 120 rustup target add $$system >/dev/null 2>&1; then \
	    echo "for $$system:"; \
	    $(CARGO) clippy --locked --target $$system -- -A clippy::all -D warnings; \
	  else \
	    echo "skipped: systems: no standard library of $$system here" | tee -a "$(SKIPPED)"; \
	  fi; \
	done

# Built as tests are: crates have the features that they have there, and are not built again.
portable: ## do portable methods of probe find the same as those of Linux?
	$(CARGO) test --locked --no-run --test docs \
	  --features portable --config profile.dev.package.loadgen.opt-level=0
	cp "$(TARGET)/debug/loadgen" "$(TARGET)/loadgen-portable"
	LOADGEN_PORTABLE="$(TARGET)/loadgen-portable" \
	  $(CARGO) test --locked --test blackbox probe::portable -- --ignored

cards: ## the backlog cards of this host, Linux 6.1 and gVisor, compared and confirmed
	@tests/needs.sh "$(TARGET)"
	$(CARGO) build --locked
	LOADGEN_SKIPPED="$(SKIPPED)" tests/systems/cards "$(TARGET)/debug/loadgen" "$(TARGET)/cards"

bench: ## what a connection and a datagram cost, as ratios to bare loops
	$(CARGO) bench --locked --bench connect
	$(CARGO) bench --locked --bench datagram

perf-ci: ## is this engine dearer than at the previous commit? (PERF_BASE names another)
	CARGO="$(CARGO)" CARGO_TARGET_DIR="$(TARGET)" tests/perf/perf-ci

error-rates: build ## how often are verdicts wrong here? an hour; goes on with ARGS=--continue
	tests/perf/error-rates --loadgen "$(TARGET)/release/loadgen" --csv "$(TARGET)/error-rates.csv" $(ARGS)

clean: ## remove what was built; results in reports/ stay
	$(CARGO) clean
