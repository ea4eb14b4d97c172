# Runs in the virtual machine: a shell on the console, as a router's has one. The cards get the names of their roles, by the
# third byte from the end of their addresses; those of the LAN are lan0, lan1 and so on, by the last.
for device in /sys/class/net/eth*; do
	address=$(cat "$device/address")
	case $address in
	*:01:??:??) name=wan ;;
	*) name=lan$((0x${address##*:} - 1)) ;;
	esac
	/usr/sbin/ip link set "${device##*/}" name $name
done
mkdir -p /etc/config /var/run/ubus
export HOME=/ PS1='router# '
# The shell of busybox takes its own applet before the program that PATH has.
echo 'ip() { /usr/sbin/ip "$@"; }' >/.profile
export ENV=/.profile
echo 'guest: a shell follows'
setsid cttyhack sh -i
