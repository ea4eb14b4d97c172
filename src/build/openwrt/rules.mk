# Stands in for the rules.mk of OpenWrt, as far as our feed needs it; see include/package.mk.
# SPDX-License-Identifier: GPL-2.0-or-later

INCLUDE_DIR := $(TOPDIR)/include
INSTALL_DIR := install -d -m 755
INSTALL_BIN := install -m 755
INSTALL_DATA := install -m 644
INSTALL_CONF := install -m 600
CP := cp -fpR
HOST_TAR := tar
TAR_OPTIONS := -xf -
TARGET_CFLAGS := -Os -pipe -fstack-protector
TARGET_LDFLAGS := -Wl,-z,now -Wl,-z,relro

define Build/Prepare/Default
endef
