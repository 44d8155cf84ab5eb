# The same commands by habit. The build itself is in build/Makefile, which auto/configure writes.
# Two builds at once would tear each other's files: the second waits (flock).

.PHONY: all build programs modules tests fuzz install test test-long lint up down status reset clean help
all: build

build/Makefile:
	@auto/configure

build: build/Makefile
	@flock build/.lock $(MAKE) --no-print-directory -f build/Makefile all

programs modules tests fuzz install: build/Makefile
	@flock build/.lock $(MAKE) --no-print-directory -f build/Makefile $@

test lint up down status reset:
	@auto/$@

test-long:
	@auto/test --long

clean:
	rm -rf build build-asan

help:
	@echo "make            build everything into build/"
	@echo "make up         install what is missing, build, start the platform (auto/up)"
	@echo "make status     what runs;  make down  stops it;  make reset  removes its data"
	@echo "make test       every test (auto/test PART for a part);  make lint  the checks of the sources"
	@echo "make test-long  these and the tests that take hours (auto/test --long)"
	@echo "make install    copy what was built to the prefix of auto/configure --prefix=DIR"
	@echo "make clean      remove build/ and build-asan/"
