#!/bin/sh
# Installs what a package of the program holds: install.sh PACKAGE BUNDLE DESTDIR
#
# The file `packages` beside BUNDLE says whose its parts are. Files of files/ are executable or not as they are there. The
# configuration is only root's to read, and one that is there stays.
# SPDX-License-Identifier: GPL-2.0-or-later
set -eu

package=$1 bundle=$2 destination=$3
parts=$(dirname "$bundle")

sed -n "s/^$package //p" "$parts/packages" | while read -r part; do
	mode=$(test -x "$parts/$part" && echo 755 || echo 644)
	install -D -m "$mode" "$parts/$part" "$destination/usr/lib/oneip/$part"
done
if [ "$package" = oneip ]; then
	mkdir -p "$destination/usr/bin"
	ln -sfn ../lib/oneip/oneip.js "$destination/usr/bin/oneip"
fi

cd "$(dirname "$0")/../../files"
find . -type f | sort | while read -r file; do
	case $file in
	*/bash-completion/* | */libexec/rpcd/*) owner=oneip-tools ;;
	*/oneip-server) owner=oneip-server ;;
	*) owner=oneip ;;
	esac
	[ "$owner" = "$package" ] || continue
	installed=$destination/${file#./}
	mode=$(test -x "$file" && echo 755 || echo 644)
	case $file in
	./etc/config/*)
		mode=600
		[ ! -e "$installed" ] || continue
		;;
	esac
	install -D -m "$mode" "$file" "$installed"
done
