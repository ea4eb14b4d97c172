#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Run on a device with the package installed: test.sh PACKAGE VERSION

set -e

exporter="${1%-oneip}"
case "$exporter" in
prometheus-node-exporter-lua | prometheus-node-exporter-ucode) ;;
*)
	echo "there is no package $1 here" >&2
	exit 1
	;;
esac

# Whether the daemon runs, or there is a bus at all, is one of the metrics.
printed="$("$exporter")"
echo "$printed" | grep -x 'oneip_up [01]'
echo "$printed" | grep -x 'node_scrape_collector_success{collector="oneip"} 1'
