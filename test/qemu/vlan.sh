# Runs in the virtual machine: clients on a VLAN, on a stock kernel. Prints what it finds; the exit status tells.
#
#   client eth0.10 ── wan.10 [router] br-lan ── eth0 [s1] … [s3]
set -u
# The shell of busybox takes its own applet before the program that PATH has.
ip() { /usr/sbin/ip "$@"; }
fail() {
	echo "guest: $*"
	exit 1
}

for name in client s1 s2 s3; do ip netns add $name; done
ip link add wan type veth peer name eth0 netns client
ip link add link wan name wan.10 type vlan id 10
ip link add br-lan type bridge
for link in wan wan.10 br-lan; do ip link set $link up; done
ip address add 203.0.113.1/24 dev wan.10
ip address add 192.168.1.1/24 dev br-lan
ip address add 2001:db8::1/64 dev wan.10 nodad
ip address add fd00:1::1/64 dev br-lan nodad
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding

in_client() { ip netns exec client "$@"; }
in_client ip link set lo up
in_client ip link set eth0 up
in_client ip link add link eth0 name eth0.10 type vlan id 10
in_client ip link set eth0.10 up
for host in $(seq 10 59); do in_client ip address add 203.0.113.$host/24 dev eth0.10; done
in_client ip route add default via 203.0.113.1
# A household is a /64: clients of one are one client.
for host in $(seq 10 19); do in_client ip address add 2001:db8:0:$host::1/128 dev lo; done
in_client ip address add 2001:db8::2/64 dev eth0.10 nodad
in_client ip -6 route add default via 2001:db8::1
ip -6 route add 2001:db8::/48 via 2001:db8::2

for number in 1 2 3; do
	ip link add lan$number type veth peer name eth0 netns s$number
	ip link set lan$number master br-lan
	ip link set lan$number up
	in_server() { ip netns exec s$number "$@"; }
	in_server sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore; echo 2 >/proc/sys/net/ipv4/conf/all/arp_announce'
	in_server ip link set lo up
	in_server ip link set eth0 up
	in_server ip address add 192.168.1.1$number/24 dev eth0
	in_server ip address add fd00:1::1$number/64 dev eth0 nodad
	in_server ip route add default via 192.168.1.1
	in_server ip -6 route add default via fd00:1::1
	in_server ip address add 198.51.100.1/32 dev lo
	in_server ip address add 2001:db8:100::1/128 dev lo nodad
	mkdir -p /www/s$number
	echo s$number >/www/s$number/index.html
	in_server httpd -h /www/s$number -p '[::]:80'
done

mkdir -p /etc/config
cat >/etc/config/oneip <<'CONFIG'
config service 'web'
	list ghost '198.51.100.1'
	list ghost '2001:db8:100::1'
	list port '80'
	list source 'wan.10'

config service 'mapped'
	list ghost '198.51.100.2'
	list ghost '2001:db8:100::2'
	list port '80'
	list source 'wan.10'
	option dispatch 'nat'

config server 's1'
	list service 'web'
	list service 'mapped'
	option address '192.168.1.11'
	option address6 'fd00:1::11'

config server 's2'
	list service 'web'
	list service 'mapped'
	option address '192.168.1.12'
	option address6 'fd00:1::12'

config server 's3'
	list service 'web'
	list service 'mapped'
	option address '192.168.1.13'
	option address6 'fd00:1::13'
CONFIG
mkfifo /tmp/log
oneip daemon >/tmp/log 2>&1 &
daemon=$!
echo "guest: network is up"
exec 3</tmp/log
while read -r line <&3; do
	echo "$line"
	[ "$line" = 'oneip: ready' ] && break
done
[ "$line" = 'oneip: ready' ] || fail 'the daemon did not start'
cat <&3 &

# check SERVICE CLIENT URL
check() {
	answer=$(in_client curl -sS -m 5 --interface "$2" "$3")
	expected=$(oneip simulate "$2" --service "$1" | sed -n '1s/.*: \(s[0-9]\) .*/\1/p')
	[ -n "$expected" ] || fail "simulate says nothing of $2 in $1"
	[ "$answer" = "$expected" ] || { nft list counters; nft list chain netdev oneip from/wan.10; in_client ip neigh; ip neigh; ip -s link show br-lan; fail "client $2 got '$answer' of $1, simulate says '$expected'"; }
	count=$((count + 1))
}
count=0
for host in $(seq 10 17); do check web 203.0.113.$host http://198.51.100.1/; done
for host in $(seq 10 13); do check web 2001:db8:0:$host::1 'http://[2001:db8:100::1]/'; done
fast_clients=$count
for host in $(seq 10 13); do check mapped 203.0.113.$host http://198.51.100.2/; done
for host in $(seq 10 11); do check mapped 2001:db8:0:$host::1 'http://[2001:db8:100::2]/'; done
echo "guest: $count clients on a VLAN got the server that simulate says, $((count - fast_clients)) of them by address translation"
fast=$(nft list counters table netdev oneip | awk '/packets/ { sum += $2 } END { print sum }')
[ "$fast" -ge $((fast_clients * 4)) ] || fail "only $fast packets on the fast path"
echo "guest: $fast packets on the fast path"

kill -TERM $daemon
wait $daemon || fail 'the daemon did not stop in order'
[ -z "$(nft list ruleset)" ] || fail 'the ruleset was left behind'
