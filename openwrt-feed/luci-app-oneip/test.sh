#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Run on a device with the package installed: test.sh PACKAGE VERSION

set -e

[ "$1" = luci-app-oneip ] || {
	echo "there is no package $1 here" >&2
	exit 1
}

# What the menu names is there, and LuCI's own parser can read it.
menu=/usr/share/luci/menu.d/luci-app-oneip.json
for page in setup status config; do
	[ "$(jsonfilter -i "$menu" -e "@['admin/services/oneip/$page'].action.path")" = "oneip/$page" ]
	[ -s "/www/luci-static/resources/view/oneip/$page.js" ]
done
[ -s /www/luci-static/resources/view/status/include/35_oneip.js ]

# The group of the pages grants nothing that changes something.
group=/usr/share/rpcd/acl.d/luci-app-oneip.json
[ "$(jsonfilter -i "$group" -t "@['luci-app-oneip'].read")" = object ]
[ -z "$(jsonfilter -i "$group" -t "@['luci-app-oneip'].write")" ]
