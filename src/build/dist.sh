#!/bin/sh
# Makes the release tarball: dist.sh VERSION BUNDLE OUTPUT [--fill | --check]
#
# It holds the sources, but for the feed, which holds the hash of the tarball, and BUNDLE with its parts and source maps in
# bundle/, since build hosts of OpenWrt have no npm. The same sources give the same bytes, wherever they lie. With --fill the hash is
# written into the feed; with --check it is an error where another one stands there.
# SPDX-License-Identifier: GPL-2.0-or-later
set -eu

version=$1 bundle=$2 output=$3
cd "$(dirname "$0")/../.."
CONTENTS='.npmrc LICENSE Makefile README.md docs files package-lock.json package.json src test tsconfig.json'
FEED=openwrt-feed/oneip/Makefile

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/oneip-$version
mkdir "$tree"

# Where git knows what belongs to the sources, nothing else gets in; elsewhere they come from a tarball, and so does the date.
# shellcheck disable=SC2086 # the list is meant to be split
if [ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$PWD" ]; then
	git ls-files --cached --others --exclude-standard -- $CONTENTS >"$work/list"
	date=$(git log -1 --format=%ct)
else
	find $CONTENTS -type f >"$work/list"
	date=$(stat -c %Y package.json)
fi
# One that git knows may have been deleted.
while read -r file; do [ ! -e "$file" ] || echo "$file"; done <"$work/list" >"$work/present"
tar -cf - -T "$work/present" | tar -C "$tree" -xf -
chmod -R u=rwX,go=rX "$tree"
install -D -m 755 "$bundle" "$tree/bundle/oneip.js"
parts=$(dirname "$bundle")
install -m 644 "$parts/packages" "$parts"/oneip-*.js "$parts"/*.js.map "$tree/bundle/"

mkdir -p "$(dirname "$output")"
LC_ALL=C tar -C "$work" --format=gnu --numeric-owner --owner=0 --group=0 --sort=name --mtime="@$date" -cf - "oneip-$version" |
	gzip -9n >"$output"
hash=$(sha256sum "$output" | cut -d ' ' -f 1)
printf '%s: %s bytes, SHA-256 %s\n' "${output##*/}" "$(wc -c <"$output")" "$hash"

case "${4:-}" in
--fill)
	sed -i "s/^PKG_HASH:=.*/PKG_HASH:=$hash/" "$FEED"
	;;
--check)
	grep -qx "PKG_HASH:=$hash" "$FEED" || {
		echo "dist.sh: $FEED expects another tarball; 'make dist' writes the hash of this one" >&2
		exit 1
	}
	;;
esac
