#!/bin/sh
# Makes what a virtual machine boots: Debian's cloud kernel, and an initial file system with our program and a guest script.
#
#   image.sh BUILD SCRIPT OUTPUT [MODULE...] [-- PROGRAM...]
#
# BUILD holds bin/oneip-runtime and lib/oneip/oneip.js, and gets qemu/vmlinuz and qemu/kernel, which are downloaded once.
# OUTPUT gets `initramfs`; the guest runs SCRIPT, with `poweroff` after it. Modules are loaded in their order, each after those
# it depends on, and are named in /modules.order; the guest's kernel can load no others. PROGRAMs of this machine come along,
# at their paths.
set -eu

fail() {
	echo "image.sh: $1" >&2
	exit 1
}

build=$1
script=$2
output=$3
shift 3
modules=
while [ $# -gt 0 ] && [ "$1" != -- ]; do
	modules="$modules $1"
	shift
done
[ $# -eq 0 ] || shift
mkdir -p "$output"
output=$(readlink -f "$output")
root=$output/root
common=$build/qemu
kernel=$common/kernel

download() {
	wanted() { apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1; }
	package=$(wanted)
	[ -n "$package" ] || { apt-get update >/dev/null 2>&1 && package=$(wanted); }
	[ -n "$package" ] || fail 'apt knows no linux-image-cloud-amd64'
	rm -rf "$kernel" && mkdir -p "$kernel/deb"
	(cd "$kernel/deb" && apt-get download "$package" >/dev/null 2>&1) || fail "cannot download $package"
	dpkg-deb -x "$kernel"/deb/*.deb "$kernel"
	depmod -b "$kernel" "$(ls "$kernel/lib/modules")"
	cp "$kernel"/boot/vmlinuz-* "$common/vmlinuz.new"
	mv "$common/vmlinuz.new" "$common/vmlinuz"
}

mkdir -p "$common"
# One at a time: tests run beside each other.
exec 9>"$common/lock"
flock 9
if [ ! -e "$common/vmlinuz" ] || [ ! -e "$kernel" ]; then download; fi
exec 9>&-
version=$(ls "$kernel/lib/modules")

rm -rf "$root"
mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/etc" "$root/run/netns" "$root/tmp" "$root/var/run" "$root/usr/bin"
cp /bin/busybox "$root/bin/busybox"

# Programs with the libraries that they ask for; libnftables is loaded while running, so it is named here.
with_libraries() {
	for file in "$@"; do
		mkdir -p "$root$(dirname "$file")"
		cp -L "$file" "$root$file"
		ldd "$file" | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p; s/^\t\(\/lib[^ ]*\).*/\1/p' | while read -r library; do
			[ -e "$root$library" ] || { mkdir -p "$root$(dirname "$library")" && cp -L "$library" "$root$library"; }
		done
	done
}
libnftables=$(ldconfig -p | sed -n 's/.*libnftables\.so\.1 .*=> //p' | head -n 1)
with_libraries /usr/sbin/ip /usr/sbin/nft "$libnftables" "$build/bin/oneip-runtime" "$@"
mv "$root$build/bin/oneip-runtime" "$root/usr/bin/oneip-runtime"
mkdir -p "$root/usr/lib/oneip"
cp "$build"/lib/oneip/*.js "$root/usr/lib/oneip/"
ln -s ../lib/oneip/oneip.js "$root/usr/bin/oneip"

# Apart from what is done with them, since the end of a part of a pipeline would end nothing else.
files=$(for module in $modules; do
	found=$(modprobe -d "$kernel" -S "$version" --show-depends "$module" 2>/dev/null) || fail "this kernel has no module $module"
	echo "$found" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done)
echo "$files" | awk 'NF && !seen[$0]++' | while read -r file; do
	name=$(basename "$file")
	mkdir -p "$root/modules"
	cp "$file" "$root/modules/$name"
	echo "/modules/$name"
done >"$root/modules.order"

cat >"$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "$module"; done </modules.order
ip link set lo up
echo "guest: Linux $(uname -r)"
sh /guest.sh && echo 'guest: passed' || echo 'guest: failed'
poweroff -f
INIT
chmod 755 "$root/init"
cp "$script" "$root/guest.sh"
(cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$output/initramfs"
