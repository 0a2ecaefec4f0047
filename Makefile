# The commands of this project; `make help` lists them. Each target is a thin call: how packages are
# installed is in scripts/, what is checked is in tools/ and tests/, how it is built in meson.build.

BUILD ?= build
ARGS ?=
# Seconds a fuzzer runs, the harness, the benchmark: make fuzz T=gql_parse S=60, make bench B=idle
S ?= 60
T ?=
B ?=
# make chaos ROUNDS=100 SEED=7, make soak MINUTES=60
ROUNDS ?= 20
SEED ?=
# make cron-sweep N=20000 SEED=7
N ?= 20000
MINUTES ?= 10

export PYTHONDONTWRITEBYTECODE = 1
.DEFAULT_GOAL := all
.PHONY: all help deps deps-check deps-test deps-dev configure run test unit service system \
	conformance e2e lint check asan tsan fuzz cover bench chaos cron-sweep soak clean

all: deps-check configure ## debug build (less than 10 s when little changed)
	@ninja -C $(BUILD)

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 14

deps: ## install what `make run` needs
	@scripts/install.sh build

deps-check:
	@scripts/install.sh --check build

deps-test:
	@scripts/install.sh build test
	@scripts/install.sh browser $$(scripts/node.sh --packages) || \
		echo "deps: no browser could be installed; the browser tests will be skipped" >&2

deps-dev:
	@scripts/install.sh build test dev

configure:
	@scripts/configure.sh $(BUILD)

run: deps configure ## install what is missing, build, `windlass up` in development mode (ARGS=...)
	@ninja -C $(BUILD) --quiet
	@exec env WINDLASS_ENV=$${WINDLASS_ENV:-development} $(BUILD)/windlass up $(ARGS)

test: deps-test configure ## install, build and run everything; ends with one line
	@tools/run_tests.py --build $(BUILD) lint unit service system conformance e2e

unit: configure ## unit tests (less than 60 s; installs nothing)
	@tools/run_tests.py --build $(BUILD) unit

service system conformance e2e: configure ## one part of the tests
	@tools/run_tests.py --build $(BUILD) $@

lint: configure ## format, tidy, layers, headers alone, banned calls, SQL, links, scripts
	@tools/lint/run.py --build $(BUILD)

check: test asan tsan ## test + asan + tsan + a minute of each fuzzer: before a change is called done
	@tools/fuzz.py --seconds $(S)

asan: deps-dev ## the tests under AddressSanitizer, LeakSanitizer and UBSan
	@scripts/configure.sh build-asan -Db_sanitize=address,undefined -Db_lundef=false
	@tools/run_tests.py --build build-asan unit service system conformance

tsan: deps-dev ## unit and service tests under ThreadSanitizer, where this kernel lets it run
	@if echo 'int main(void) { return 0; }' | gcc -fsanitize=thread -x c - -o /tmp/tsan-probe.$$$$ && \
	    { /tmp/tsan-probe.$$$$; status=$$?; rm -f /tmp/tsan-probe.$$$$; [ $$status = 0 ]; }; then \
		scripts/configure.sh build-tsan -Db_sanitize=thread -Db_lundef=false && \
		tools/run_tests.py --build build-tsan unit service; \
	else \
		echo "tsan: ThreadSanitizer does not run on this kernel (vm.mmap_rnd_bits); skipped" >&2; \
	fi

fuzz: deps-dev ## one fuzzer: T=gql_parse S=60; without T each of them
	@tools/fuzz.py --seconds $(S) $(T)

cover: deps-dev ## coverage as HTML, and the lines of this branch that no test ran
	@scripts/configure.sh build-cover -Db_coverage=true
	@tools/cover.py --build build-cover

bench: deps-test configure ## figures beside the peers': a table and build/bench.json (B=name)
	@ninja -C $(BUILD) --quiet
	@tests/bench/bench.py --build $(BUILD) $(B)

chaos: deps configure ## faults at random under load, then proofs of what was promised: ROUNDS= SEED=
	@ninja -C $(BUILD) --quiet
	@tests/chaos/checker.py $(BUILD)/windlass --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))
	@tests/chaos/chain.py --binary $(BUILD)/windlass $(if $(SEED),--seed $(SEED))
	@tests/chaos/chaos.py --binary $(BUILD)/windlass $(if $(SEED),--seed $(SEED))

cron-sweep: configure ## random schedules in all zones against a brute-force oracle: N=20000 SEED=
	@ninja -C $(BUILD) --quiet tests/unit/rules_sweep_test
	@$(BUILD)/tests/unit/rules_sweep_test $(N) $(if $(SEED),$(SEED),$$(date +%s))

soak: deps configure ## load for MINUTES, watching memory and descriptors
	@ninja -C $(BUILD) --quiet
	@tests/chaos/chaos.py --binary $(BUILD)/windlass --soak $(MINUTES)

clean: ## remove the build folders
	rm -rf build build-asan build-tsan build-cover build-fuzz
