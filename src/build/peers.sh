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
packages="nftlb libev4 libjansson4 libmnl0"
packages="$packages haproxy liblua5.3-0 libopentracing-c-wrapper0 libopentracing1"
packages="$packages wrk libluajit-5.1-2 libluajit2-5.1-2"
packages="$packages keepalived libnl-3-200 libnl-genl-3-200 libnftnl11 libsnmp40 libglib2.0-0 libssl3 libsystemd0 libpci3 libwrap0"
packages="$packages ipvsadm libpopt0"
# shellcheck disable=SC2086 # the list is meant to be split
"$here/debian-package.sh" "$release" "$(dpkg --print-architecture)" "$stage" $packages
rm -rf "$1"
mv "$stage" "$1"
