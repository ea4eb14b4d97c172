#!/bin/sh
# Unpacks, into a directory, the load balancers that the benchmark compares with, and installs none: peers.sh DESTDIR
#
# They are Debian's packages of this machine's release, with those libraries that a machine may lack.
set -eu

[ $# -eq 1 ] || { echo "usage: peers.sh DESTDIR" >&2; exit 1; }
here=$(dirname "$0")
release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
stage=$1.part
rm -rf "$stage"
"$here/debian-package.sh" "$release" "$(dpkg --print-architecture)" "$stage" nftlb libev4 libjansson4 libmnl0
rm -rf "$1"
mv "$stage" "$1"
