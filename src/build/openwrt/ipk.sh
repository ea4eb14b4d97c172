#!/bin/sh
# Packs an .ipk as opkg takes it: ipk.sh ROOT CONTROL OUTPUT
#
# ROOT is the tree of files; CONTROL holds what include/package.mk has taken from the feed's Makefile. The result is a
# gzipped tar of debian-binary, data.tar.gz and control.tar.gz; the same input gives the same bytes.
# SPDX-License-Identifier: GPL-2.0-or-later
set -eu

root=$1 source=$2 output=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Packs folder $1.
pack() {
	tar -C "$1" --format=gnu --numeric-owner --owner=0 --group=0 --sort=name --mtime="@$SOURCE_DATE_EPOCH" -cf - . | gzip -9n
}

mkdir "$work/control"
if [ -s "$source/conffiles" ]; then sed '/^$/d' "$source/conffiles" >"$work/control/conffiles"; fi

# What every package does: services are enabled and started, uci-defaults run, and its own script, if it has one.
cat >"$work/control/postinst" <<'SH'
#!/bin/sh
[ "${IPKG_NO_SCRIPT}" = "1" ] && exit 0
[ -s "${IPKG_INSTROOT}/lib/functions.sh" ] || exit 0
. "${IPKG_INSTROOT}/lib/functions.sh"
default_postinst "$0" "$@"
SH
cat >"$work/control/prerm" <<'SH'
#!/bin/sh
[ -s "${IPKG_INSTROOT}/lib/functions.sh" ] || exit 0
. "${IPKG_INSTROOT}/lib/functions.sh"
default_prerm "$0" "$@"
SH
if grep -q . "$source/postinst-pkg"; then cp "$source/postinst-pkg" "$work/control/postinst-pkg"; fi
chmod 755 "$work"/control/p*

find "$root" -type d -exec chmod 755 {} +
pack "$root" >"$work/data.tar.gz"
{
	grep -v '^Description:' "$source/fields"
	echo "Installed-Size: $(gzip -dc "$work/data.tar.gz" | wc -c)"
	grep '^Description:' "$source/fields"
	sed -e '/^$/d' -e 's/^ */ /' "$source/description"
} >"$work/control/control"
pack "$work/control" >"$work/control.tar.gz"
echo 2.0 >"$work/debian-binary"
rm -rf "$work/control"

mkdir -p "${output%/*}"
tar -C "$work" --format=gnu --numeric-owner --owner=0 --group=0 --mtime="@$SOURCE_DATE_EPOCH" -cf - \
	./debian-binary ./data.tar.gz ./control.tar.gz | gzip -9n >"$output"
printf '%s: %s bytes\n' "${output##*/}" "$(wc -c <"$output")"
