# Two commands do all set-up by themselves on a fresh Debian machine: `make demo` and `make test`.

VERSION := $(shell sed -n 's/^  "version": "\(.*\)",/\1/p' package.json)
BUILD := $(CURDIR)/build
SOURCES = $(shell find src -name '*.ts' -not -path 'src/native/*')
NATIVE = $(wildcard src/native/*.[ch])
BUNDLE := $(BUILD)/lib/oneip/oneip.js
# Who may do what over ubus and over HTTP, and completion for bash.
SHARED := usr/share/acl.d/oneip.json usr/share/rpcd/acl.d/oneip.json usr/share/bash-completion/completions/oneip
# What procd, the first start after an installation, and sysupgrade need.
SYSTEM := etc/capabilities/oneip.json etc/uci-defaults/oneip lib/upgrade/keep.d/oneip

.PHONY: help setup build runtime sanitized tools demo test test-full lint bench install clean

help:
	@echo 'make demo       see it work: clients, a router and four web servers on this machine'
	@echo 'make test       type check, lint, unit tests, runtime tests with sanitizers, the lab'
	@echo 'make test-full  the long forms of the tests that have one'
	@echo 'make bench      packets per second against plain routing and DNAT; times of orders (BENCH=packets, BENCH=failover)'
	@echo 'make build      build/bin/oneip, which runs in place'
	@echo 'make install DESTDIR=…   a root file tree'

setup:
	@src/build/setup.sh

$(BUILD)/quickjs/quickjs.c: src/build/quickjs.sh
	@src/build/quickjs.sh $(BUILD)/quickjs
	@touch $@

runtime: setup $(BUILD)/quickjs/quickjs.c
	@$(MAKE) --no-print-directory -C src/native BUILD=$(BUILD) QUICKJS_SRC=$(BUILD)/quickjs VERSION=$(VERSION)

sanitized: setup $(BUILD)/quickjs/quickjs.c
	@$(MAKE) --no-print-directory -C src/native BUILD=$(BUILD) QUICKJS_SRC=$(BUILD)/quickjs VERSION=$(VERSION) sanitized

$(BUNDLE): $(SOURCES) src/build/bundle.mjs package.json package-lock.json
	@mkdir -p $(@D)
	@node src/build/bundle.mjs src/main.ts $@ $(VERSION)
	@printf 'oneip.js: %s bytes, %s compressed\n' "$$(wc -c <$@)" "$$(gzip -9c $@ | wc -c)"

$(BUILD)/bin/oneip: src/build/launcher.sh
	@mkdir -p $(@D)
	@install -m 755 $< $@

build: setup runtime $(BUILD)/bin/oneip
	@$(MAKE) --no-print-directory $(BUNDLE)

# Small programs in C that the lab sends and answers packets with.
tools: setup
	@$(MAKE) --no-print-directory -C test/lab BUILD=$(BUILD)

demo: build tools
	@node test/run.mjs --program test/demo/main.ts -- $(ARGS)

# One of them by BENCH=NAME; options, in ARGS, are those of `packets` unless another is named.
BENCHES = packets failover

bench: build tools
	@for name in $(or $(BENCH),$(if $(ARGS),packets,$(BENCHES))); do \
		node test/run.mjs --program test/bench/$$name.ts -- $(ARGS) || exit; \
	done

lint: setup
	@npm run --silent typecheck
	@npm run --silent lint
	@npm run --silent format:check

test: build sanitized tools lint
	@node test/run.mjs

test-full: build sanitized tools lint
	@node test/run.mjs --full

install: build
	install -d $(DESTDIR)/usr/bin $(DESTDIR)/etc/config
	install -m 755 $(BUILD)/bin/oneip-runtime $(DESTDIR)/usr/bin/oneip-runtime
	install -m 755 $(BUNDLE) $(DESTDIR)/usr/bin/oneip
	test -e $(DESTDIR)/etc/config/oneip || install -m 600 files/etc/config/oneip $(DESTDIR)/etc/config/oneip
	install -D -m 755 files/etc/init.d/oneip $(DESTDIR)/etc/init.d/oneip
	for file in $(SHARED) $(SYSTEM); do install -D -m 644 files/$$file $(DESTDIR)/$$file || exit 1; done

clean:
	rm -rf $(BUILD)
