# Two commands do all set-up by themselves on a fresh Debian machine: `make demo` and `make test`.

VERSION := $(shell sed -n 's/^  "version": "\(.*\)",/\1/p' package.json)
BUILD := $(CURDIR)/build
SOURCES = $(shell find src -name '*.ts' -not -path 'src/native/*')
NATIVE = $(wildcard src/native/*.[ch])
BUNDLE := $(BUILD)/lib/oneip/oneip.js
RUNTIME := $(BUILD)/bin/oneip-runtime
# Packages that the program is in; all but the first may be left out.
PROGRAM := oneip oneip-channel oneip-tools oneip-server
TARBALL := $(BUILD)/dist/oneip-$(VERSION).tar.gz
# Runtimes that run here under emulation, and those of them that get a package; see src/build/target.sh.
TARGETS := x86_64 aarch64 mips
PACKAGED := x86_64 aarch64
# Jobs side by side, where make has not been told how many.
JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: help setup setup-cross setup-browser build runtime sanitized tools demo test test-full test-foreign lint
.PHONY: bench bench-quick
.PHONY: setup-emulators ready-for-tests test-qemu test-openwrt
.PHONY: install install-runtime install-program dist dist-check ipk clean

help:
	@echo 'make demo       see it work: clients, a router and four web servers on this machine'
	@echo '                (DEMO=broadcast: each server gets every packet, and one takes it)'
	@echo 'make test       type check, lint, unit tests, runtime tests with sanitizers, the lab'
	@echo 'make test-full  the long forms of the tests that have one'
	@echo 'make bench      against what people use instead, by BENCH=NAME: packets, connections, failover, control,'
	@echo '                footprint, filter, table, guest'
	@echo 'make bench-quick  each of them for a moment'
	@echo 'make build      build/bin/oneip, which runs in place'
	@echo 'make install DESTDIR=…   a root file tree'
	@echo 'make dist       the release tarball; its hash goes into the feed'
	@echo 'make ipk        packages for opkg, without OpenWrt'\''s SDK'
	@echo 'make test-qemu  the lab with a virtual machine for its router, on a stock kernel'
	@echo 'make test-openwrt OPENWRT_IMAGE=…  a published image of OpenWrt, from installation to removal'
	@echo 'make test-foreign  unit and runtime tests with musl, on aarch64 and on mips, by emulation'

setup:
	@src/build/setup.sh

# Compilers and emulators for other processors, too.
setup-cross:
	@src/build/setup.sh cross

# Emulators for images of other processors, too.
setup-emulators:
	@src/build/setup.sh emulators

# A browser for the pages of LuCI, too: some 300 MB.
setup-browser:
	@src/build/setup.sh browser

$(BUILD)/quickjs/quickjs.c: src/build/quickjs.sh | setup
	@src/build/quickjs.sh $(BUILD)/quickjs
	@touch $@

runtime: setup $(BUILD)/quickjs/quickjs.c
	@$(MAKE) --no-print-directory -C src/native BUILD=$(BUILD) QUICKJS_SRC=$(BUILD)/quickjs VERSION=$(VERSION)

sanitized: setup $(BUILD)/quickjs/quickjs.c
	@$(MAKE) --no-print-directory -C src/native BUILD=$(BUILD) QUICKJS_SRC=$(BUILD)/quickjs VERSION=$(VERSION) sanitized

$(BUNDLE): $(SOURCES) src/build/bundle.mjs package-lock.json
	@mkdir -p $(@D)
	@node src/build/bundle.mjs src/main.ts $@ $(VERSION)
	@printf 'oneip.js and its parts: %s bytes, %s compressed\n' \
		"$$(cat $(@D)/*.js | wc -c)" "$$(cat $(@D)/*.js | gzip -9 | wc -c)"

$(BUILD)/bin/oneip: src/build/launcher.sh
	@mkdir -p $(@D)
	@install -m 755 $< $@

build: setup runtime $(BUILD)/bin/oneip
	@$(MAKE) --no-print-directory $(BUNDLE)

# Small programs in C that the lab sends and answers packets with.
tools: setup
	@$(MAKE) --no-print-directory -C test/lab BUILD=$(BUILD)

# One of them by DEMO=NAME: route, unless another is named, or broadcast.
demo: build tools
	@node test/run.mjs --program test/demo/main.ts -- $(DEMO) $(ARGS)

# What the benchmarks compare with.
$(BUILD)/peers: src/build/peers.sh
	@$< $@

# One of them by BENCH=NAME; options, in ARGS, are those of `packets` unless another is named.
BENCHES = packets connections failover control footprint filter table guest

bench: build tools $(BUILD)/peers
	@for name in $(or $(BENCH),$(if $(ARGS),packets,$(BENCHES))); do \
		node test/run.mjs --program test/bench/$$name.ts -- $(ARGS) || exit; \
	done

# Each for a moment: fails where a benchmark is broken, and says nothing about speed. The virtual machine is on its own meanwhile.
QUICK = node test/run.mjs --program test/bench

bench-quick: build tools $(BUILD)/peers
	@$(QUICK)/guest.ts -- --servers 2 --clients 100 --setups 1 --rounds 1 --burst 50 --deaths 1 & guest=$$!; \
	trap 'kill $$guest 2>/dev/null || :' EXIT; set -e; \
	$(QUICK)/packets.ts -- --full --servers 4 --family 4 --clients 1000 --size 1400 --setups 1 --rounds 1 --burst 10; \
	$(QUICK)/packets.ts -- --servers 4 --setups 1 --rounds 1 --burst 20 --contestants plain,bystander,plain-ct,bystander-ct,drop; \
	$(QUICK)/packets.ts -- --servers 4 --family 6 --setups 1 --rounds 1 --burst 20; \
	$(QUICK)/connections.ts -- --setups 1 --rounds 1 --seconds 1; \
	$(QUICK)/failover.ts -- --servers 4 --rounds 1; \
	$(QUICK)/control.ts -- --servers 4 --services 1 --rounds 1; \
	$(QUICK)/footprint.ts -- --servers 4 --clients 1000 --rounds 1; \
	$(QUICK)/filter.ts -- --setups 1 --rounds 1 --burst 50; \
	$(QUICK)/table.ts -- --servers 2,8 --cases 2; \
	wait $$guest

lint: setup
	@npm run --silent typecheck
	@npm run --silent lint
	@npm run --silent format:check

# What is installed, first, since everything else needs it.
ready-for-tests: setup
	@$(MAKE) --no-print-directory $(JOBS) build sanitized tools lint

test: ready-for-tests
	@node test/run.mjs

test-full: setup-browser ready-for-tests ipk
	@node test/run.mjs --full
	@$(MAKE) --no-print-directory test-foreign

install: build
	@$(MAKE) --no-print-directory install-runtime install-program

# These two need no build: the packages are made by them, from the release tarball.
install-runtime:
	install -D -m 755 $(RUNTIME) "$(DESTDIR)/usr/bin/oneip-runtime"

install-program: $(addprefix install-program/,$(PROGRAM))

install-program/%:
	@src/build/install.sh $* $(BUNDLE) "$(DESTDIR)"

dist: setup
	@$(MAKE) --no-print-directory $(BUNDLE)
	@src/build/dist.sh $(VERSION) $(BUNDLE) $(TARBALL) $(or $(DIST),--fill)

# Before a release: the tarball that these sources make is the one that the feed expects.
dist-check:
	@$(MAKE) --no-print-directory dist DIST=--check

# The runtime as the compiler of target $* makes it.
target-runtime/%: setup-cross $(BUILD)/quickjs/quickjs.c
	@src/build/target.sh $* $(BUILD)/target/$*
	@$(MAKE) --no-print-directory -C src/native BUILD=$(BUILD)/target/$* QUICKJS_SRC=$(BUILD)/quickjs VERSION=$(VERSION) \
		CC=$(BUILD)/target/$*/cc STRIP=$(BUILD)/target/$*/strip

# The lab with a virtual machine of Debian's kernel for its router.
test-qemu: build tools
	@node test/run.mjs --only test/qemu/router

# An image that OpenWrt has published, from installation to removal; see test/openwrt-image. Without one nothing is tested,
# and the status is not that of success: the recipe ends with 77, as a test that was skipped, and make with 2.
OPENWRT_IMAGE ?=
OPENWRT_PACKAGES ?=
OPENWRT_TARGET ?=

test-openwrt: $(if $(OPENWRT_IMAGE),build tools ipk $(if $(findstring x86-64,$(OPENWRT_IMAGE)),,setup-emulators))
	@if [ -z "$(OPENWRT_IMAGE)" ]; then \
		echo 'SKIPPED: make test-openwrt has no image, and has tested nothing.'; \
		echo 'OPENWRT_IMAGE=FILE names one from the download page of the OpenWrt project, unpacked:'; \
		echo '  x86-64       the image "combined", squashfs or ext4, without EFI'; \
		echo '  armsr-armv8  the image "combined" with EFI'; \
		echo '  malta-be     the kernel "vmlinux-initramfs.elf"'; \
		echo 'OPENWRT_PACKAGES=FOLDER holds what the image lacks, of the same release: kmod-nft-netdev from the page of its'; \
		echo '  kernel modules, and for apk (25.12) and malta-be our own packages, as the SDK makes them.'; \
		echo 'OPENWRT_TARGET=NAME is one of the three above where the file is called otherwise.'; \
		exit 77; \
	fi
	@OPENWRT_IMAGE="$(abspath $(OPENWRT_IMAGE))" OPENWRT_TARGET="$(OPENWRT_TARGET)" \
		OPENWRT_PACKAGES="$(if $(OPENWRT_PACKAGES),$(abspath $(OPENWRT_PACKAGES)))" \
		node test/run.mjs --full --only test/openwrt-image

test-foreign: build $(addprefix target-runtime/,$(TARGETS))
	@for target in $(TARGETS); do node test/run.mjs --target $$target || exit; done

# The feed's own recipes pack what the release tarball holds.
ipk: setup-cross $(BUILD)/quickjs/quickjs.c
	@$(MAKE) --no-print-directory $(BUNDLE)
	@src/build/dist.sh $(VERSION) $(BUNDLE) $(TARBALL)
	@src/build/openwrt/build.sh $(TARBALL) $(BUILD) $(PACKAGED)

clean:
	rm -rf $(BUILD)
