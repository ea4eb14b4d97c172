# Stands in for the luci.mk of LuCI's feed, as far as our application needs it; see ../../include/package.mk.
# SPDX-License-Identifier: GPL-2.0-or-later

include $(INCLUDE_DIR)/package.mk

SOURCE_DIR := $(CURDIR)

define Package/$(PKG_NAME)
  SECTION := luci
  TITLE := $(LUCI_TITLE)
  DEPENDS := $(LUCI_DEPENDS)
  PKGARCH := $(LUCI_PKGARCH)
endef

define Package/$(PKG_NAME)/description
  $(LUCI_DESCRIPTION)
endef

define Package/$(PKG_NAME)/install
	$(if $(wildcard $(SOURCE_DIR)/htdocs),install -d $(1)/www && cp -R $(SOURCE_DIR)/htdocs/. $(1)/www/)
	$(if $(wildcard $(SOURCE_DIR)/root),cp -R $(SOURCE_DIR)/root/. $(1)/)
	$(if $(wildcard $(SOURCE_DIR)/ucode),install -d $(1)/usr/share/ucode/luci && cp -R $(SOURCE_DIR)/ucode/. $(1)/usr/share/ucode/luci/)
endef

# LuCI keeps an index of its menus, and rpcd what who may do.
define Package/$(PKG_NAME)/postinst
#!/bin/sh
[ -n "$${IPKG_INSTROOT}" ] || {
	rm -rf /tmp/luci-indexcache.* /tmp/luci-modulecache/
	killall -HUP rpcd 2>/dev/null
}
exit 0
endef

$(eval $(call BuildPackage,$(PKG_NAME)))
