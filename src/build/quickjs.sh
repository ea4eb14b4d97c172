#!/bin/sh
# Puts the C sources of QuickJS-ng in DESTDIR: quickjs.sh DESTDIR
#
# They come from the directory QUICKJS_SRC where that is set, otherwise from Debian's package qjs-src, which only sid has.
# The archive's address is taken from the machine's own apt configuration, so that mirrors and proxies are honoured; a
# private apt directory keeps the machine's package lists as they are. Nothing happens where the sources are there already.
set -eu

WANTED=0.17
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
SOURCES='quickjs.c quickjs.h libregexp.c libunicode.c dtoa.c cutils.h list.h'

fail() {
  echo "quickjs.sh: $*" >&2
  exit 1
}

# Succeeds where directory $1 holds everything that we compile.
holds_sources() {
  for file in $SOURCES; do
    [ -f "$1/$file" ] || return 1
  done
}

# Prints MAJOR.MINOR of the engine in directory $1.
engine_version() {
  sed -n 's/^#define QJS_VERSION_\(MAJOR\|MINOR\)  *\([0-9]*\)$/\2/p' "$1/quickjs.h" | paste -sd.
}

check_version() {
  version=$(engine_version "$1")
  [ -n "$version" ] || fail "$1/quickjs.h does not say its version, is this QuickJS-ng?"
  [ "$version" = "$WANTED" ] && return
  oldest=$(printf '%s\n%s\n' "$WANTED" "$version" | sort -V | head -n 1)
  [ "$oldest" = "$WANTED" ] || fail "QuickJS-ng $version in $1 is too old, $WANTED is the first that will do"
  echo "quickjs.sh: warning: QuickJS-ng $version, only $WANTED has been tested" >&2
}

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

# Unpacks the package into directory $1.
fetch_package() {
  command -v apt-get >/dev/null || fail "this machine has no apt-get, set QUICKJS_SRC to the sources of QuickJS-ng $WANTED"
  [ -f "$KEYRING" ] || fail "$KEYRING is missing, install debian-archive-keyring or set QUICKJS_SRC"
  uri=$(archive_uri)
  [ -n "$uri" ] || fail "apt is set up with no Debian archive, set QUICKJS_SRC to the sources of QuickJS-ng $WANTED"

  mkdir -p "$1/lists/partial" "$1/cache/archives/partial" "$1/none"
  echo "deb [arch=$(dpkg --print-architecture) signed-by=$KEYRING] $uri sid main" >"$1/sources.list"
  cat >"$1/apt.conf" <<CONF
Dir::Etc::SourceList "$1/sources.list";
Dir::Etc::SourceParts "$1/none";
Dir::Etc::Preferences "$1/no-preferences";
Dir::Etc::PreferencesParts "$1/none";
Dir::State::Lists "$1/lists";
Dir::Cache "$1/cache";
Acquire::Languages "none";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
CONF
  # Given by -c, the file is read after the machine's own configuration, whose proxies and credentials stay in force.
  apt-get -q -c "$1/apt.conf" update >"$1/log" 2>&1 || fail "apt-get update failed: $(reason "$1/log")"
  (cd "$1" && apt-get -q -c "$1/apt.conf" download qjs-src >"$1/log" 2>&1) ||
    fail "apt-get download qjs-src failed: $(reason "$1/log")"
  dpkg-deb -x "$1"/qjs-src_*.deb "$1/root" 2>"$1/log" || fail "qjs-src cannot be unpacked: $(reason "$1/log")"
}

[ $# -eq 1 ] || fail "usage: quickjs.sh DESTDIR"
destination=$1
if holds_sources "$destination"; then
  check_version "$destination"
  exit 0
fi

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
trap 'exit 1' HUP INT TERM

if [ -n "${QUICKJS_SRC:-}" ]; then
  found=$QUICKJS_SRC
  holds_sources "$found" || fail "QUICKJS_SRC=$found does not hold the sources of QuickJS-ng (all of: $SOURCES)"
else
  fetch_package "$temporary"
  header=$(find "$temporary/root" -name quickjs.h | head -n 1)
  found=${header%/*}
  holds_sources "$found" || fail "the package qjs-src does not hold all of: $SOURCES"
fi
check_version "$found"

# In one step, so that an interrupted copy is not taken for a complete one.
mkdir -p "$(dirname "$destination")"
rm -rf "$destination.new"
mkdir "$destination.new"
cp "$found"/*.c "$found"/*.h "$destination.new/"
rm -rf "$destination"
mv "$destination.new" "$destination"
echo "QuickJS-ng $(engine_version "$destination") is in $destination"
