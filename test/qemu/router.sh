# Runs in the virtual machine: a shell on the console, as a router's has one. The cards get the names of their roles, by the
# third byte from the end of their addresses.
for device in /sys/class/net/eth*; do
	case $(cat "$device/address") in
	*:01:??:??) name=wan ;;
	*) name=lan0 ;;
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
