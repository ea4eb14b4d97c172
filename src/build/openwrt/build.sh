#!/bin/sh
# Makes the packages of the feed for opkg, without OpenWrt's SDK: build.sh TARBALL BUILD TARGET...
#
# The engine's sources are those of BUILD/quickjs; packages go to BUILD/ipk. Routers whose opkg calls a 64-bit ARM processor
# something other than aarch64_generic want a package of the SDK, or `arch aarch64_generic 1` in /etc/opkg.conf.
# SPDX-License-Identifier: GPL-2.0-or-later
set -eu

tarball=$1 build=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)

rm -rf "$build/ipk" "$build/packing"
mkdir -p "$build/packing"
tar -C "$build/packing" -xzf "$tarball"
sources=$(echo "$build"/packing/oneip-*)
SOURCE_DATE_EPOCH=$(stat -c %Y "$sources/package.json")
export SOURCE_DATE_EPOCH
ln -s "$build/quickjs" "$sources/quickjs"

# Packs $2… of feed folder $1.
pack() {
	folder=$1
	shift
	make --no-print-directory --silent -C "$root/openwrt-feed/$folder" TOPDIR="$here" UNPACKED="$sources" \
		BUILD_DIR="$build/packing" BIN_DIR="$build/ipk" "$@"
}

for target; do
	"$root/src/build/target.sh" "$target" "$build/target/$target"
	case $target in
	aarch64) architecture=aarch64_generic ;;
	*) architecture=$target ;;
	esac
	rm -rf "$sources/build"
	pack oneip PACKAGES=oneip-runtime ARCH="$target" ARCH_PACKAGES="$architecture" \
		TARGET_CC="$build/target/$target/cc" STRIP_PROGRAM="$build/target/$target/strip"
done
pack oneip PACKAGES='oneip oneip-channel oneip-tools oneip-server' ARCH=all ARCH_PACKAGES=all
[ ! -e "$root/openwrt-feed/luci-app-oneip" ] || pack luci-app-oneip ARCH=all ARCH_PACKAGES=all
pack prometheus-node-exporter-oneip ARCH=all ARCH_PACKAGES=all
