# Runs in the virtual machine of the benchmark `guest`. As it is booted, a shell on the console; from there
#
#   sh /guest.sh build NAME SERVERS CLIENTS STEP   a network of the name: wan [r-NAME] br-lan(lan1…) ── srv1… [s-NAME]
#   sh /guest.sh plain|oneip|ipvs NAME …           what makes its router that
#   sh /guest.sh send NAME 'run MS'|pass           prints packets sent, nanoseconds, and how many arrived at each server
#   sh /guest.sh end NAME
#
# PEERS is the folder with the programs of others.
set -u
ip() { /usr/sbin/ip "$@"; }
ghost=192.0.2.80
port=9000

router() { ip netns exec "r-$name" "$@"; }
numbers() { seq 1 "$(ls -d /tmp/"$name"/server* | wc -l)"; }
peer() {
	program=$1
	shift
	router env LD_LIBRARY_PATH="$PEERS/lib/x86_64-linux-gnu:$PEERS/usr/lib/x86_64-linux-gnu" "$PEERS/$program" "$@"
}

build() {
	mkdir -p "/tmp/$name"
	for kind in r s u; do
		ip netns add "$kind-$name"
		ip -n "$kind-$name" link set lo up
	done
	ip -n "r-$name" link add wan address 02:00:00:00:00:01 type veth peer name eth0 address 02:00:00:00:00:02 netns "u-$name"
	ip -n "u-$name" link set eth0 up
	ip -n "r-$name" link add br-lan type bridge mcast_snooping 0
	router sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; for file in all default wan; do echo 0 >/proc/sys/net/ipv4/conf/$file/rp_filter; done'
	ip netns exec "s-$name" sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore'
	echo 'table netdev sink {' >"/tmp/$name/sink"
	for number in $(seq 1 "$1"); do
		mac=02:00:00:00:02:$(printf %02x "$number")
		ip -n "r-$name" link add "lan$number" type veth peer name "srv$number" address "$mac" netns "s-$name"
		ip -n "r-$name" link set "lan$number" master br-lan up
		ip -n "s-$name" link set "srv$number" up
		ip -n "s-$name" address add "192.168.1.$((10 + number))/24" dev "srv$number"
		: >"/tmp/$name/server$number"
		cat >>"/tmp/$name/sink" <<-SINK
			counter srv$number { }
			chain srv$number {
				type filter hook ingress device "srv$number" priority 0
				meta l4proto udp counter name srv$number drop
			}
		SINK
	done
	echo '}' >>"/tmp/$name/sink"
	ip netns exec "s-$name" nft -f "/tmp/$name/sink" || exit 1
	ip -n "r-$name" link set wan up
	ip -n "r-$name" link set br-lan up
	ip -n "r-$name" address add 203.0.113.1/24 dev wan
	ip -n "r-$name" address add 192.168.1.1/24 dev br-lan
	ip -n "r-$name" route add default via 203.0.113.2
	mkfifo "/tmp/$name/in" "/tmp/$name/out"
	router bench-sender xdp wan 02:00:00:00:00:02 02:00:00:00:00:01 $ghost 198.18.0.1 "$2" $port "$3" 0 \
		<>"/tmp/$name/in" >"/tmp/$name/out" 2>&1 &
	echo $! >"/tmp/$name/sender"
	# Somebody has to keep both pipes open between two commands.
	sleep 100000 <>"/tmp/$name/out" >/dev/null &
	echo $! >>"/tmp/$name/sender"
	read -r line <"/tmp/$name/out"
	[ "$line" = ready ] || { echo "$line"; exit 1; }
}

# Servers are known as the daemon has the kernel know them.
know() {
	for number in $(numbers); do
		ip -n "r-$name" neigh replace "192.168.1.$((10 + number))" dev br-lan nud permanent \
			lladdr "02:00:00:00:02:$(printf %02x "$number")"
	done
}

plain() {
	know
	ip -n "r-$name" route add $ghost via 192.168.1.11
}

# IPVS with direct routing, by the scheduler that is named.
ipvs() {
	know
	ip -n "r-$name" address add $ghost/32 dev lo
	peer sbin/ipvsadm -A -u $ghost:$port -s "$1" || exit 1
	for number in $(numbers); do peer sbin/ipvsadm -a -u $ghost:$port -r "192.168.1.$((10 + number))" -g || exit 1; done
}

# The daemon as users run it; ready once packets leave by the bridge's ports.
oneip() {
	mkfifo "/tmp/$name/said"
	router oneip daemon --config /etc/config/oneip --state "/tmp/$name/state" --ubus "/tmp/$name/ubus" >"/tmp/$name/said" 2>&1 &
	echo $! >"/tmp/$name/daemon"
	exec 3<"/tmp/$name/said"
	while read -r line <&3; do
		echo "$line" >>"/tmp/$name/log"
		[ "$line" != 'oneip: ready' ] || break
	done
	cat <&3 >>"/tmp/$name/log" &
	tries=0
	while router nft list table netdev oneip 2>/dev/null >"/tmp/$name/ruleset"; grep -q 'device "br-lan"' "/tmp/$name/ruleset"; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || { cat "/tmp/$name/log"; exit 1; }
		sleep 1
	done
}

arrived() {
	ip netns exec "s-$name" nft list counters | sed -n 's/.*packets \([0-9]*\) .*/\1/p' | tr '\n' ' '
}

send() {
	before=$(arrived)
	echo "$1" >"/tmp/$name/in"
	read -r line <"/tmp/$name/out"
	echo "$line of $before to $(arrived)"
}

end() {
	[ ! -e "/tmp/$name/daemon" ] || kill "$(cat "/tmp/$name/daemon")"
	while read -r process; do kill "$process"; done <"/tmp/$name/sender"
	# Those that are killed hold their namespaces until they have ended.
	wait
	for kind in r s u; do ip netns del "$kind-$name"; done
	rm -r "/tmp/$name"
}

if [ $# -gt 0 ]; then
	command=$1
	name=$2
	shift 2
	"$command" "$@"
	exit
fi

mkdir -p /etc/config
export HOME=/ PS1='guest# '
echo 'guest: a shell follows'
setsid cttyhack sh -i
