#!/bin/sh
# Puts the C sources of QuickJS-ng in DESTDIR: quickjs.sh DESTDIR
#
# They come from the directory QUICKJS_SRC where that is set, otherwise from Debian's package qjs-src, which only sid has.
# Nothing happens where the sources are there already.
set -eu

WANTED=0.17
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

# Unpacks the package into directory $1.
fetch_package() {
  "${0%/*}/debian-package.sh" sid "$(dpkg --print-architecture)" "$1" qjs-src ||
    fail "set QUICKJS_SRC to the sources of QuickJS-ng $WANTED"
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
  fetch_package "$temporary/root"
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
