# Thin front: everything is done by CMake presets and tools/. `make help` lists the targets.
JOBS ?= $(shell nproc)

.PHONY: all chat web serve r1-zero recipe recipe-smoke test test-all setup bench fuzz clean help
all: build/limpid

setup:            ## install what is missing (Debian packages), once
	@tools/setup

build/build.ninja: CMakeLists.txt CMakePresets.json | setup
	@cmake --preset release >/dev/null

.PHONY: build/limpid
build/limpid: build/build.ninja  ## build the program
	@cmake --build build --target limpid -j $(JOBS)

web:              ## build the browser app into web/dist; the next `make` takes it into the program
	@tools/setup build web
	@tools/web --if-changed

serve: web build/limpid  ## build with the browser app and serve it at http://127.0.0.1:8080
	@build/limpid serve

test: web build/build.ninja  ## build and run every test
	@tools/setup
	@tools/test release

test-all:         ## the same under ASan + UBSan, TSan, clang and scalar-only
	@tools/test-all

fuzz:             ## make fuzz TARGET=gguf TIME=60: libFuzzer with ASan and UBSan on one target of tests/fuzz
	@tools/fuzz "$(TARGET)" $(TIME)

chat: build/limpid  ## start a conversation in the terminal
	@tools/chat

RUNS ?= runs
r1-zero: build/limpid  ## from nothing to the R1-Zero effect, into runs/r1-zero (RUNS=DIR: DIR/r1-zero); goes on where it was stopped
	@tools/recipe r1-zero $(RUNS)

recipe: build/limpid  ## all of R1 at the size of a toy, into runs/r1-nano; goes on where it was stopped
	@tools/recipe r1-nano $(RUNS)

recipe-smoke: build/limpid  ## every stage, tiny, into a directory that is removed again; make test does it too
	@tools/recipe smoke

help:
	@grep -hE '^[a-z/-]+:.*##' Makefile | sed 's/:.*##/ -/'

clean:
	rm -rf build build-*
