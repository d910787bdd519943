# SPDX-License-Identifier: MIT
# A front door: meson and ninja do the building. Variables: PREFIX, DESTDIR, BUILD (build directory), and for
# `make test` STAGES (which stages of scripts/run-tests) and TESTS (only tests whose name contains this).

PREFIX ?= /usr/local
BUILD ?= build
SHELL := /bin/bash

export BUILD
export TESTS

.DEFAULT_GOAL := help
.PHONY: help build demo test diff kv-oracle kv-clients sim sim-lwip run-sim soak bench install format \
  check-style coverage clean

help:
	@printf '%s\n' \
	  'make demo         build, and show echo and kv over every path of this machine' \
	  'make build        build the libraries and programs in $(BUILD)/' \
	  'make test         everything CI runs; STAGES="gcc asan" and TESTS=name narrow it' \
	  'make diff         millions of random instructions on the simulated machine and on QEMU (DIFF_PROGRAMS=100)' \
	  'make kv-oracle    random commands to caracal-kv and to redis-server, replies compared (COMMANDS=100000)' \
	  'make kv-clients   10,000 connections to caracal-kv at a time, on both engines (CLIENTS=10000)' \
	  'make sim          SEEDS=n worlds of the whole-stack simulation; a failing one says how to repeat it' \
  '                  BREAK=name with that mistake in TCP, which must be found; BREAK=help lists them' \
	  'make sim-lwip     SEEDS=n meetings of our stack with lwIP on a simulated network' \
	  'make soak         MINUTES=10 of clients that come, talk and go, half of them killed, on a bad wire' \
  'make bench        measure; the figures go to $(BUILD)/bench.json' \
	  'make install      install under PREFIX ($(PREFIX)), staged under DESTDIR' \
	  'make format       format the C files in place' \
	  'make check-style  formatting, lengths, rooms, shell scripts' \
	  'make coverage     run the tests with gcov; report in build-coverage/html' \
	  'make clean        remove every build directory'

build:
	@scripts/setup build
	@[ -f "$(BUILD)/build.ninja" ] || meson setup "$(BUILD)" --prefix "$(PREFIX)"
	@ninja -C "$(BUILD)"

demo:
	@scripts/setup build
	@[ -f "$(BUILD)/build.ninja" ] || { echo 'Building in $(BUILD)/, a minute or two the first time ...'; \
	  meson setup "$(BUILD)" >/dev/null; }
	@ninja -C "$(BUILD)" --quiet
	@exec scripts/demo

test:
	@scripts/setup test
	@scripts/run-tests $(STAGES)

diff:
	@scripts/setup test
	@[ -f "$(BUILD)/build.ninja" ] || meson setup "$(BUILD)" >/dev/null
	@ninja -C "$(BUILD)" --quiet tools/nanopu
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && source_dir=$$PWD && build_dir=$$(realpath "$(BUILD)") && \
	  cd "$$dir" && DIFF_PROGRAMS=$${DIFF_PROGRAMS:-100} CARACAL_SOURCE_DIR=$$source_dir CARACAL_BUILD_DIR=$$build_dir \
	  "$$source_dir/tests/nanopu/diff/diff.sh"

COMMANDS ?= 100000
kv-oracle:
	@scripts/setup test
	@[ -f "$(BUILD)/build.ninja" ] || meson setup "$(BUILD)" >/dev/null
	@ninja -C "$(BUILD)" --quiet
	@KV_ORACLE_COMMANDS=$(COMMANDS) CARACAL_BUILD_DIR=$$(realpath "$(BUILD)") \
	  tests/apps/kv.sh beside_redis_resp2 beside_redis_resp3 beside_redis_uring

CLIENTS ?= 10000
kv-clients:
	@scripts/setup test
	@[ -f "$(BUILD)/build.ninja" ] || meson setup "$(BUILD)" >/dev/null
	@ninja -C "$(BUILD)" --quiet
	@KV_CLIENTS=$(CLIENTS) CARACAL_BUILD_DIR=$$(realpath "$(BUILD)") tests/apps/kv.sh many_clients many_clients_uring

bench:
	@scripts/setup build
	@[ -f "$(BUILD)/build.ninja" ] || meson setup "$(BUILD)" >/dev/null
	@ninja -C "$(BUILD)" --quiet
	@exec scripts/bench

SEEDS ?= 1000
FIRST ?= 1
BREAK ?=
sim:
	@if [ "$(BREAK)" = help ]; then tests/sim/breaks.py list; else $(MAKE) --no-print-directory run-sim; fi

run-sim:
	@scripts/setup test
	@[ -f "$(BUILD)/build.ninja" ] || meson setup "$(BUILD)" >/dev/null
	@if [ -z "$(BREAK)" ]; then program=sim-worlds; stop=; else program=sim-broken-$(BREAK); stop=--stop; fi && \
	  ninja -C "$(BUILD)" --quiet "tests/sim/$$program" && \
	  "$(BUILD)/tests/sim/$$program" --seeds "$(SEEDS)" --first "$(FIRST)" --progress $$stop

sim-lwip:
	@scripts/setup test
	@[ -f "$(BUILD)/build.ninja" ] || meson setup "$(BUILD)" >/dev/null
	@ninja -C "$(BUILD)" --quiet tests/lwip/sim-lwip tests/lwip/lwip-peer.so
	@"$(BUILD)/tests/lwip/sim-lwip" --seeds "$(SEEDS)" --first "$(FIRST)"

MINUTES ?= 10
soak:
	@scripts/setup test
	@[ -f "$(BUILD)/build.ninja" ] || meson setup "$(BUILD)" >/dev/null
	@ninja -C "$(BUILD)" --quiet
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && source_dir=$$PWD && build_dir=$$(realpath "$(BUILD)") && \
	  cd "$$dir" && SOAK_SECONDS=$$(($(MINUTES) * 60)) SOAK_REPORT=1 CARACAL_SOURCE_DIR=$$source_dir \
	  CARACAL_BUILD_DIR=$$build_dir CARACAL_MODULES=$$build_dir/src "$$source_dir/tests/libos/catpowder/soak.sh"

install:
	@scripts/setup build
	@if [ -f "$(BUILD)/build.ninja" ]; then meson configure "$(BUILD)" -Dprefix="$(PREFIX)"; \
	  else meson setup "$(BUILD)" --prefix "$(PREFIX)"; fi
	@ninja -C "$(BUILD)"
	@DESTDIR="$(DESTDIR)" meson install -C "$(BUILD)" --no-rebuild
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" -eq 0 ]; then ldconfig; fi

format:
	@scripts/format

check-style:
	@bad=0; scripts/format --check || bad=1; scripts/check-style || bad=1; scripts/lint shell || bad=1; exit $$bad

coverage:
	@scripts/setup test
	@scripts/coverage

clean:
	@if [ -d "$(BUILD)/meson-private" ]; then rm -rf "$(BUILD)"; fi
	@rm -rf build build-*
