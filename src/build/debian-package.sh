#!/bin/sh
# Unpacks Debian packages into a directory, and installs nothing: debian-package.sh SUITE ARCHITECTURE DESTDIR PACKAGE...
#
# For what another suite or architecture has. The archive's address is taken from the machine's own apt configuration, so
# that mirrors and proxies are honoured; a private apt directory keeps the machine's package lists as they are.
set -eu

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

fail() {
  echo "debian-package.sh: $*" >&2
  exit 1
}

# shellcheck disable=SC2016 # it is apt's to expand
# Prints the address of the machine's Debian archive. Before the first "apt-get update" apt does not know the origins of
# its sources; then the archive is the one with the usual path.
archive_uri() {
  uris=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 2>/dev/null | grep -v security || true)
  [ -n "$uris" ] || uris=$(apt-get --print-uris update 2>/dev/null | sed -n "s#^'\(.*/debian/\)dists/.*#\1#p")
  echo "$uris" | head -n 1
}

# Prints the first error that apt has told of, or else its last line.
reason() {
  grep -m 1 '^E:' "$1" || tail -n 1 "$1"
}

[ $# -ge 4 ] || fail "usage: debian-package.sh SUITE ARCHITECTURE DESTDIR PACKAGE..."
suite=$1 architecture=$2 destination=$3
shift 3

command -v apt-get >/dev/null || fail "this machine has no apt-get"
[ -f "$KEYRING" ] || fail "$KEYRING is missing, install debian-archive-keyring"
uri=$(archive_uri)
[ -n "$uri" ] || fail "apt is set up with no Debian archive"

private=$(mktemp -d)
trap 'rm -rf "$private"' EXIT
trap 'exit 1' HUP INT TERM

mkdir -p "$private/lists/partial" "$private/cache/archives/partial" "$private/none"
echo "deb [arch=$architecture signed-by=$KEYRING] $uri $suite main" >"$private/sources.list"
cat >"$private/apt.conf" <<CONF
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
Dir::Etc::SourceList "$private/sources.list";
Dir::Etc::SourceParts "$private/none";
Dir::Etc::Preferences "$private/no-preferences";
Dir::Etc::PreferencesParts "$private/none";
Dir::State::Lists "$private/lists";
Dir::Cache "$private/cache";
Acquire::Languages "none";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
CONF
# Given by -c, the file is read after the machine's own configuration, whose proxies and credentials stay in force.
apt-get -q -c "$private/apt.conf" update >"$private/log" 2>&1 || fail "apt-get update failed: $(reason "$private/log")"
(cd "$private" && apt-get -q -c "$private/apt.conf" download "$@" >"$private/log" 2>&1) ||
  fail "apt-get download $* failed: $(reason "$private/log")"
mkdir -p "$destination"
for package in "$private"/*.deb; do
  dpkg-deb -x "$package" "$destination" 2>"$private/log" || fail "${package##*/} cannot be unpacked: $(reason "$private/log")"
done
