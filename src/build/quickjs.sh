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
complete() {
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
# its sources; then the usual path has to do.
archive_uri() {
  uris=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 2>/dev/null | grep -v security || true)
  [ -n "$uris" ] || uris=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep '/debian/*$' || true)
  echo "$uris" | head -n 1
}

# Unpacks the package into directory $1.
fetch_package() {
  command -v apt-get >/dev/null || fail "this machine has no apt-get, set QUICKJS_SRC to the sources of QuickJS-ng $WANTED"
  [ -f "$KEYRING" ] || fail "$KEYRING is missing, install debian-archive-keyring or set QUICKJS_SRC"
  uri=$(archive_uri)
  [ -n "$uri" ] || fail "apt is set up with no Debian archive, set QUICKJS_SRC to the sources of QuickJS-ng $WANTED"

  mkdir -p "$1/lists/partial" "$1/cache/archives/partial"
  echo "deb [arch=$(dpkg --print-architecture) signed-by=$KEYRING] $uri sid main" >"$1/sources.list"
  cat >"$1/apt.conf" <<CONF
Dir::Etc::SourceList "$1/sources.list";
Dir::Etc::SourceParts "-";
Dir::Etc::Preferences "-";
Dir::Etc::PreferencesParts "-";
Dir::State::Lists "$1/lists";
Dir::Cache "$1/cache";
Acquire::Languages "none";
APT::Sandbox::User "root";
CONF
  # APT_CONFIG is read before the machine's own files; options on the command line are read after them.
  set -- "$1" -q -c "$1/apt.conf"
  directory=$1
  shift
  log=$directory/log
  apt-get "$@" update >"$log" 2>&1 || fail "apt-get update failed: $(grep -m 1 '^[EW]:' "$log" || tail -n 1 "$log")"
  (cd "$directory" && apt-get "$@" download qjs-src >"$log" 2>&1) ||
    fail "apt-get download qjs-src failed: $(grep -m 1 '^[EW]:' "$log" || tail -n 1 "$log")"
  dpkg-deb -x "$directory"/qjs-src_*.deb "$directory/root" || fail "the package qjs-src cannot be unpacked"
}

[ $# -eq 1 ] || fail "usage: quickjs.sh DESTDIR"
destination=$1
if complete "$destination"; then
  check_version "$destination"
  exit 0
fi

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
trap 'exit 1' HUP INT TERM

if [ -n "${QUICKJS_SRC:-}" ]; then
  found=$QUICKJS_SRC
  complete "$found" || fail "QUICKJS_SRC=$found does not hold the sources of QuickJS-ng (all of: $SOURCES)"
else
  fetch_package "$temporary"
  header=$(find "$temporary/root" -name quickjs.h | head -n 1)
  found=${header%/*}
  [ -n "$header" ] && complete "$found" || fail "the package qjs-src does not hold all of: $SOURCES"
fi
check_version "$found"

mkdir -p "$destination"
cp "$found"/*.c "$found"/*.h "$destination/"
echo "QuickJS-ng $(engine_version "$destination") is in $destination"
