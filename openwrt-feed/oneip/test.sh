#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Run on a device with the package installed: test.sh PACKAGE VERSION

set -e

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# Succeeds where the runtime runs the script $1, which prints "$2".
prints() {
	printf '%s\n' "$1" >"$work/script.js"
	[ "$(oneip-runtime "$work/script.js")" = "$2" ] || {
		echo "not \"$2\": $1" >&2
		return 1
	}
}

case "$1" in
oneip-runtime)
	# Numbers, texts and words in the processor's own order of bytes.
	prints 'console.log(Math.imul(0x9e3779b9, 7) >>> 0, String(2n ** 70n));' '1401181199 1180591620717411303424'
	prints 'console.log([..."ghöst"].length, "é".normalize("NFD").length);' '5 2'
	prints 'import { littleEndian } from "oneip:runtime";
		console.log(littleEndian === (new Uint8Array(Uint32Array.of(1).buffer)[0] === 1));' 'true'
	# The loop: timers, children.
	prints 'import { spawn, setTimer } from "oneip:runtime";
		setTimer(() => spawn(["sh", "-c", "exit 7"], {}, ({ status }) => console.log(status)), 1);' '7'
	;;
oneip)
	# The daemon's work, short of the kernel's part.
	cat >"$work/oneip" <<-CONFIG
		config service 'web'
			list ghost '198.51.100.1'
			option proto 'tcp'
			list port '80'
			list source 'eth1'
			option device 'eth0'

		config server 'web1'
			list service 'web'
			option address '192.0.2.11'

		config server 'web2'
			list service 'web'
			option address '192.0.2.12'
	CONFIG
	oneip check "$work/oneip"
	sed -i 's/192.0.2.12/192.0.2.300/' "$work/oneip"
	if oneip check "$work/oneip" 2>/dev/null; then
		echo "a wrong address is taken" >&2
		exit 1
	fi
	# The kernel and libnftables have what the ruleset needs.
	prints 'import { nft } from "oneip:runtime"; console.log(nft.available());' 'true'
	;;
oneip-channel)
	set -- /usr/lib/oneip/oneip-channel-part-*.js
	[ -s "$1" ]
	;;
oneip-tools)
	# Whether a daemon runs or not.
	oneip metrics --ubus "$work/none" | grep -qxF 'oneip_up 0'
	;;
oneip-server)
	# Exit status 3: the program is there, and nobody runs it.
	status=0
	oneip server --status --state "$work" 2>/dev/null || status=$?
	[ "$status" -eq 3 ]
	;;
*)
	echo "there is no package $1 here" >&2
	exit 1
	;;
esac
