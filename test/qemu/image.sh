#!/bin/sh
# Makes what a virtual machine boots: Debian's cloud kernel, and an initial file system with our program and a guest script.
#
#   image.sh BUILD SCRIPT OUTPUT
#
# BUILD holds bin/oneip-runtime and lib/oneip/oneip.js; OUTPUT gets `vmlinuz` and `initramfs`. Downloads the kernel once.
set -eu

fail() {
	echo "image.sh: $1" >&2
	exit 1
}

build=$1
script=$2
output=$3
mkdir -p "$output"
output=$(readlink -f "$output")
root=$output/root
kernel=$output/kernel

if [ ! -e "$output/vmlinuz" ]; then
	wanted() { apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1; }
	package=$(wanted)
	[ -n "$package" ] || { apt-get update >/dev/null 2>&1 && package=$(wanted); }
	[ -n "$package" ] || fail 'apt knows no linux-image-cloud-amd64'
	rm -rf "$kernel" && mkdir -p "$kernel/deb"
	(cd "$kernel/deb" && apt-get download "$package" >/dev/null 2>&1) || fail "cannot download $package"
	dpkg-deb -x "$kernel"/deb/*.deb "$kernel"
	depmod -b "$kernel" "$(ls "$kernel/lib/modules")"
	cp "$kernel"/boot/vmlinuz-* "$output/vmlinuz.new"
	mv "$output/vmlinuz.new" "$output/vmlinuz"
fi
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
with_libraries /usr/sbin/ip /usr/sbin/nft /usr/bin/curl "$libnftables" "$build/bin/oneip-runtime"
mv "$root$build/bin/oneip-runtime" "$root/usr/bin/oneip-runtime"
cp "$build/lib/oneip/oneip.js" "$root/usr/bin/oneip"

for module in veth 8021q bridge nf_tables nft_fwd_netdev nft_hash nft_ct nft_objref nft_reject_inet nft_nat; do
	modprobe -d "$kernel" -S "$version" --show-depends "$module" 2>/dev/null | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | awk '!seen[$0]++' | while read -r file; do
	name=$(basename "$file")
	mkdir -p "$root/modules"
	cp "$file" "$root/modules/$name"
	echo "/modules/$name"
done >"$output/modules"
cp "$output/modules" "$root/modules.order"

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
