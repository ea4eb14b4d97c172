#!/bin/sh
# Makes what compiles for a target, and what runs its programs here: target.sh TARGET DESTDIR
#
#   x86_64, aarch64  with musl, as OpenWrt has it
#   mips             big-endian, with glibc: for tests under user emulation only (routers get theirs from OpenWrt's SDK)
#
# DESTDIR/cc and DESTDIR/strip are the tools, DESTDIR/run runs a program, and DESTDIR/oneip-runtime the one that is built
# as DESTDIR/bin/oneip-runtime. All are bound to the place where they are made.
# setup.sh cross installs the compilers and the emulators; musl is unpacked here, since Debian has the headers of other
# architectures only for them. Nothing happens where all is there already.
set -eu

fail() {
  echo "target.sh: $*" >&2
  exit 1
}

[ $# -eq 2 ] || fail "usage: target.sh TARGET DESTDIR"
target=$1 destination=$2
[ ! -e "$destination/complete" ] || exit 0

case $target in
x86_64) debian=amd64 ;;
aarch64) debian=arm64 ;;
mips) debian=none ;;
*) fail "$target is none of x86_64, aarch64, mips" ;;
esac
triplet=$target-linux-gnu

rm -rf "$destination"
mkdir -p "$destination"
here=$(cd "$destination" && pwd)

# Writes the executable script $1 from standard input.
script() {
  { echo '#!/bin/sh' && cat; } >"$here/$1"
  chmod 755 "$here/$1"
}

# Prints the folder in which the compiler finds the kernel's headers; our own processor's may be among the system's.
kernel_headers() {
  for folder in "/usr/$triplet/include" /usr/include; do
    [ ! -e "$folder/linux/netlink.h" ] || { echo "$folder" && return; }
  done
  fail "there are no headers of the kernel for $triplet"
}

make_musl() {
  suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  "${0%/*}/debian-package.sh" "${suite:-sid}" "$debian" "$here/root" musl musl-dev
  libc=$here/root/usr/lib/$target-linux-musl
  [ -e "$libc/musl-gcc.specs" ] || fail "the package musl-dev has no specs for $target"
  # On a machine the two folders are one.
  ln -sf "$here/root/lib/$target-linux-musl/libc.so" "$libc/libc.so"
  sed "s#/usr/#$here/root/usr/#g" "$libc/musl-gcc.specs" >"$here/gcc.specs"

  # Only those of the kernel: glibc's, beside them, must not be found.
  headers=$(kernel_headers)
  mkdir "$here/kernel"
  for folder in linux asm-generic asm; do
    for origin in "$headers/$folder" "/usr/include/$triplet/$folder"; do
      [ -e "$here/kernel/$folder" ] || [ ! -e "$origin" ] || ln -s "$origin" "$here/kernel/$folder"
    done
  done

  # The compiler's helpers for atomic operations want glibc.
  case $target in
  aarch64) options=-mno-outline-atomics ;;
  *) options= ;;
  esac
  script cc <<SH
exec $triplet-gcc -specs=$here/gcc.specs -isystem $here/kernel $options "\$@"
SH
}

case $target in
mips)
  script cc <<SH
exec $triplet-gcc "\$@"
SH
  root=/usr/$triplet
  ;;
*)
  make_musl
  root=$here/root
  ;;
esac

script strip <<SH
exec $triplet-strip "\$@"
SH

# Libraries of the target are looked for in LIBRARIES first.
if [ "$target" = "$(uname -m)" ]; then
  script run <<SH
exec env LD_LIBRARY_PATH="\${LIBRARIES:-}" $root/lib/ld-musl-$target.so.1 "\$@"
SH
else
  script run <<SH
exec qemu-$target -L $root \${LIBRARIES:+-E LD_LIBRARY_PATH="\$LIBRARIES"} "\$@"
SH
fi

script oneip-runtime <<SH
exec $here/run $here/bin/oneip-runtime "\$@"
SH

touch "$here/complete"
