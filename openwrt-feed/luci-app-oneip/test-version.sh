#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Run on a device with the package installed: test-version.sh PACKAGE VERSION. There is no program in it that could say its version.

[ "$1" = luci-app-oneip ]
