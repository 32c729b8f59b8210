# Thin front: everything is done by CMake presets and tools/. `make help` lists the targets.
JOBS ?= $(shell nproc)

.PHONY: all chat r1-zero test test-all setup bench fuzz clean help
all: build/limpid

setup:            ## install what is missing (Debian packages), once
	@tools/setup

build/build.ninja: CMakeLists.txt CMakePresets.json | setup
	@cmake --preset release >/dev/null

.PHONY: build/limpid
build/limpid: build/build.ninja  ## build the program
	@cmake --build build --target limpid -j $(JOBS)

test: build/build.ninja  ## build and run every test
	@tools/test release

test-all:         ## the same under ASan + UBSan, TSan, clang and scalar-only
	@tools/test-all

fuzz:             ## make fuzz TARGET=gguf TIME=60: libFuzzer with ASan and UBSan on one target of tests/fuzz
	@tools/fuzz "$(TARGET)" $(TIME)

chat: build/limpid  ## start a conversation in the terminal
	@tools/chat

RUN ?= runs/r1-zero
r1-zero: build/limpid  ## from nothing to the R1-Zero effect, into runs/r1-zero (RUN=DIR); goes on where it was stopped
	@echo "limpid recipe r1-zero --out $(RUN) --resume    (its model, curves and answers come to stand there)"
	@build/limpid recipe r1-zero --out $(RUN) --resume

help:
	@grep -hE '^[a-z/-]+:.*##' Makefile | sed 's/:.*##/ -/'

clean:
	rm -rf build build-*
