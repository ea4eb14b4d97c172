# Packs the packages of our feed without OpenWrt's build system, by the recipes of the feed's own Makefile:
#
#   make -C openwrt-feed/NAME TOPDIR=this/../.. ARCH=… ARCH_PACKAGES=… UNPACKED=… BUILD_DIR=… BIN_DIR=… [PACKAGES=…]
#
# ARCH is the processor's name in OpenWrt's configuration, ARCH_PACKAGES what opkg calls it; UNPACKED is the unpacked release
# tarball with the engine's sources as quickjs/; packages go to BIN_DIR. What our feed does not use is not here.
# SPDX-License-Identifier: GPL-2.0-or-later

.DEFAULT_GOAL := all
PKG_BUILD_DIR := $(UNPACKED)
PACKAGES ?=
IPK := $(TOPDIR)/ipk.sh

comma := ,
empty :=
space := $(empty) $(empty)
parentheses := ( )

# What a package needs: `+NAME` as NAME, `+(CONDITION):NAME` only where the condition, a list of processors, holds.
dependencies = $(foreach word,$(1),$(if $(findstring :,$(word)),$(call conditional,$(subst :, ,$(word))),$(patsubst +%,%,$(word))))
conditional = $(if $(filter $(ARCH),$(call processors,$(firstword $(1)))),$(lastword $(1)))
processors = $(subst ||, ,$(subst $(firstword $(parentheses)), ,$(subst $(lastword $(parentheses)), ,$(1))))
listed = $(subst $(space),$(comma) ,$(strip $(1)))

.PHONY: all compile
all:

compile:
	$(Build/Compile)

# The recipe as OpenWrt calls it, one package at a time.
define BuildPackage
$(if $(if $(PACKAGES),$(filter $(1),$(PACKAGES)),yes),$(eval $(call Pack,$(1))))
endef

define Pack
SECTION := net
TITLE :=
DEPENDS :=
EXTRA_DEPENDS :=
PKGARCH := $$(ARCH_PACKAGES)
$$(eval $$(Package/$(1)))

ROOT_$(1) := $$(BUILD_DIR)/$(1)/root
CONTROL_$(1) := $$(BUILD_DIR)/$(1)/control
ARCH_$(1) := $$(PKGARCH)
SECTION_$(1) := $$(SECTION)
TITLE_$(1) := $$(TITLE)
DEPENDS_$(1) := $$(if $$(EXTRA_DEPENDS),$$(EXTRA_DEPENDS)$$(comma) )$$(call listed,libc $$(call dependencies,$$(DEPENDS)))
define FIELDS_$(1)
Package: $(1)
Version: $$(PKG_VERSION)-r$$(PKG_RELEASE)
Depends: $$(DEPENDS_$(1))
Source: feeds/oneip/$$(notdir $$(CURDIR))
SourceName: $(1)
License: $$(PKG_LICENSE)
LicenseFiles: $$(PKG_LICENSE_FILES)
Section: $$(SECTION_$(1))
SourceDateEpoch: $$(SOURCE_DATE_EPOCH)
Maintainer: $$(PKG_MAINTAINER)
Architecture: $$(ARCH_$(1))
Description: $$(TITLE_$(1))
endef

all: pack-$(1)
.PHONY: pack-$(1) folders-$(1)
# Apart, since a recipe's $$(file …) is carried out before its commands.
folders-$(1):
	rm -rf $$(BUILD_DIR)/$(1)
	install -d $$(ROOT_$(1)) $$(CONTROL_$(1)) $$(BIN_DIR)

pack-$(1): folders-$(1) $$(if $$(filter all,$$(ARCH_$(1))),,compile)
	$$(call Package/$(1)/install,$$(ROOT_$(1)))
	$$(if $$(filter all,$$(ARCH_$(1))),,find $$(ROOT_$(1)) -type f -exec $$(STRIP_PROGRAM) {} +)
	$$(file >$$(CONTROL_$(1))/fields,$$(FIELDS_$(1)))
	$$(file >$$(CONTROL_$(1))/description,$$(Package/$(1)/description))
	$$(file >$$(CONTROL_$(1))/conffiles,$$(Package/$(1)/conffiles))
	$$(file >$$(CONTROL_$(1))/postinst-pkg,$$(subst $$$$$$$$,$$$$,$$(Package/$(1)/postinst)))
	$$(IPK) $$(ROOT_$(1)) $$(CONTROL_$(1)) $$(BIN_DIR)/$(1)_$$(PKG_VERSION)-r$$(PKG_RELEASE)_$$(ARCH_$(1)).ipk
endef
