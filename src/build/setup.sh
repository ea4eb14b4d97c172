#!/bin/sh
# Installs what building and testing need, and nothing that is there already: setup.sh [cross|emulators|browser]
#
# With `cross`, compilers and emulators for programs of other processors, too; with `emulators`, machines that boot OpenWrt's
# images for them; with `browser`, a browser for the pages of LuCI.
# Idempotent; takes a second where all is done.
set -eu

if [ "$(id -u)" -ne 0 ]; then
	echo "oneip: this needs root, since it installs packages and makes network namespaces; run it with sudo or as root." >&2
	exit 1
fi

cd "$(dirname "$0")/../.."
mkdir -p build

packages="ca-certificates gcc libc6-dev nftables iproute2 iputils-ping nginx-light curl tcpdump procps psmisc util-linux kmod ethtool busybox-static shellcheck lua5.1"

# A stock kernel in a virtual machine, for the tests that need one.
if [ "$(dpkg --print-architecture)" = amd64 ]; then packages="$packages qemu-system-x86 cpio"; fi

if [ "${1:-}" = cross ]; then
	packages="$packages qemu-user shellcheck gcc-mips-linux-gnu libc6-dev-mips-cross"
	processor=$(dpkg --print-architecture)
	[ "$processor" = amd64 ] || packages="$packages gcc-x86-64-linux-gnu libc6-dev-amd64-cross"
	[ "$processor" = arm64 ] || packages="$packages gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
fi

if [ "${1:-}" = emulators ]; then packages="$packages qemu-system-arm qemu-efi-aarch64 qemu-system-mips"; fi

if [ "${1:-}" = browser ]; then packages="$packages chromium"; fi

missing=
for package in $packages; do
	state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$state" = installed ] || missing="$missing $package"
done

# Debian 12's own Node.js is new enough; one that is there already is kept.
node_is_new_enough() {
	command -v node >/dev/null && command -v npm >/dev/null &&
		node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 18 || (a === 18 && b >= 18) ? 0 : 1)'
}
node_is_new_enough || missing="$missing nodejs npm"

if [ -n "$missing" ]; then
	echo "oneip: installing$missing"
	# Nothing that gets installed here shall start a service on this machine.
	policy=/usr/sbin/policy-rc.d
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
		trap 'rm -f "$policy"' EXIT
	fi
	log=build/setup.log
	export DEBIAN_FRONTEND=noninteractive
	# shellcheck disable=SC2086 # the list is meant to be split
	if ! { apt-get update && apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		echo "oneip: installing$missing failed; the whole log is $log" >&2
		exit 1
	fi
fi

stamp=node_modules/.oneip-stamp
wanted=$(cksum <package-lock.json)
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$wanted" ]; then
	echo "oneip: installing the JavaScript packages of package-lock.json"
	if ! npm ci --no-audit --no-fund --loglevel=error >build/npm.log 2>&1; then
		cat build/npm.log >&2
		echo "oneip: npm ci failed" >&2
		exit 1
	fi
	echo "$wanted" >"$stamp"
fi
