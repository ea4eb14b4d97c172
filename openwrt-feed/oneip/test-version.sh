#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Run on a device with the package installed: test-version.sh PACKAGE VERSION

case "$1" in
oneip-runtime)
	oneip-runtime --version | grep -F "oneip-runtime $2 "
	;;
oneip | oneip-channel | oneip-tools | oneip-server)
	oneip --version | grep -xF "oneip $2"
	;;
*)
	echo "there is no package $1 here" >&2
	exit 1
	;;
esac
