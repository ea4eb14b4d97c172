# Runs in the virtual machine of the benchmark `guest`. As it is booted, a shell on the console; from there
#
#   sh /guest.sh build NAME SERVERS CLIENTS STEP   a network of the name: wan [r-NAME] br-lan(lan1…) ── srv1… [s-NAME]
#   sh /guest.sh plain|oneip|ipvs NAME …           what makes its router that
#   sh /guest.sh send NAME 'run MS'|pass           prints packets sent, nanoseconds, and how many arrived at each server
#   sh /guest.sh end NAME
#
#   sh /guest.sh web NAME SERVERS                  br-lan [r-NAME] ── eth0 [v1-NAME] …, a web server in each
#   sh /guest.sh watched NAME | keepalived NAME SECONDS AGAIN   what watches them
#   sh /guest.sh death NAME                        kills the first; prints the seconds until the kernel's table has noticed
#   sh /guest.sh memory NAME                      prints resident KiB of what watches, and of these its own
#   sh /guest.sh close NAME
#
# PEERS is the folder with the programs of others.
set -u
ip() { /usr/sbin/ip "$@"; }
ghost=192.0.2.80
port=9000
# Hundredths of a second after which bridges forget; the clock leaps while nobody sends.
never=1000000000

router() { ip netns exec "r-$name" "$@"; }
# For what runs in the background: the process whose number $! has is the program itself, and not a shell before it.
become() { exec /usr/sbin/ip netns exec "$@"; }
numbers() { seq 1 "$(ls -d /tmp/"$name"/server* | wc -l)"; }
# Returns when it has ended: who still runs holds its namespace.
stop() {
	kill "$1"
	while kill -0 "$1" 2>/dev/null; do usleep 50000; done
}
peer() {
	program=$1
	shift
	become "r-$name" env LD_LIBRARY_PATH="$PEERS/lib/x86_64-linux-gnu:$PEERS/usr/lib/x86_64-linux-gnu" "$PEERS/$program" "$@"
}

build() {
	mkdir -p "/tmp/$name"
	for kind in r s u; do
		ip netns add "$kind-$name"
		ip -n "$kind-$name" link set lo up
	done
	ip -n "r-$name" link add wan address 02:00:00:00:00:01 type veth peer name eth0 address 02:00:00:00:00:02 netns "u-$name"
	ip -n "u-$name" link set eth0 up
	ip -n "r-$name" link add br-lan type bridge mcast_snooping 0 ageing_time $never
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
	# A bridge sends to all ports what it has not heard of.
	for number in $(numbers); do
		ip netns exec "s-$name" ping -c 1 -W 1 -I "srv$number" 192.168.1.1 >/dev/null || :
	done
	mkfifo "/tmp/$name/in" "/tmp/$name/out"
	become "r-$name" bench-sender xdp wan 02:00:00:00:00:02 02:00:00:00:00:01 $ghost 198.18.0.1 "$2" $port "$3" 0 64 \
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
	(peer sbin/ipvsadm -A -u $ghost:$port -s "$1") || exit 1
	for number in $(numbers); do
		(peer sbin/ipvsadm -a -u $ghost:$port -r "192.168.1.$((10 + number))" -g) || exit 1
	done
}

# Starts the daemon with a configuration; ready once the kernel has its first ruleset.
oneip_ready() {
	mkfifo "/tmp/$name/said"
	become "r-$name" oneip daemon --config "$1" --state "/tmp/$name/state" --ubus "/tmp/$name/ubus" >"/tmp/$name/said" 2>&1 &
	echo $! >"/tmp/$name/daemon"
	exec 3<"/tmp/$name/said"
	while read -r line <&3; do
		echo "$line" >>"/tmp/$name/log"
		[ "$line" != 'oneip: ready' ] || break
	done
	cat <&3 >>"/tmp/$name/log" &
}

# The daemon as users run it; ready once packets leave by the bridge's ports.
oneip() {
	oneip_ready /etc/config/oneip
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
	[ ! -e "/tmp/$name/daemon" ] || stop "$(cat "/tmp/$name/daemon")"
	while read -r process; do stop "$process"; done <"/tmp/$name/sender"
	for kind in r s u; do ip netns del "$kind-$name"; done
	rm -r "/tmp/$name"
}

web() {
	mkdir -p "/tmp/$name/www"
	ip netns add "r-$name"
	ip -n "r-$name" link set lo up
	ip -n "r-$name" link add wan type veth peer name eth0
	ip -n "r-$name" link add br-lan type bridge mcast_snooping 0 ageing_time $never
	for device in wan eth0 br-lan; do ip -n "r-$name" link set $device up; done
	ip -n "r-$name" address add 203.0.113.1/24 dev wan
	ip -n "r-$name" address add 192.168.1.1/24 dev br-lan
	router sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	for number in $(seq 1 "$1"); do
		server=v$number-$name
		ip netns add "$server"
		ip -n "r-$name" link add "lan$number" type veth peer name eth0 netns "$server"
		ip -n "r-$name" link set "lan$number" master br-lan up
		ip netns exec "$server" sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore; echo 2 >/proc/sys/net/ipv4/conf/all/arp_announce'
		ip -n "$server" link set lo up
		ip -n "$server" link set eth0 up
		ip -n "$server" address add "192.168.1.$((10 + number))/24" dev eth0
		ip -n "$server" address add $ghost/32 dev lo
		ip -n "$server" route add default via 192.168.1.1
		: >"/tmp/$name/server$number"
		serve "$number"
	done
}

serve() {
	become "v$1-$name" httpd -f -h "/tmp/$name/www" -p 80 &
	echo $! >"/tmp/$name/pid$1"
}

watched() {
	oneip_ready "/etc/config/$name"
}

# Asks so often, in seconds, and so many times more before it believes it.
keepalived() {
	{
		echo "virtual_server $ghost 80 { delay_loop $1 lvs_sched rr lvs_method DR protocol TCP"
		for number in $(numbers); do
			echo "real_server 192.168.1.$((10 + number)) 80 { TCP_CHECK { connect_timeout $1 retry $2 delay_before_retry 0.05 } }"
		done
		echo '}'
	} | sed 's/ *\([{}]\) */ \1\n/g; s/ \(lvs_sched\|lvs_method\|protocol\|retry\|delay_before_retry\) /\n\1 /g' >"/tmp/$name/keepalived.conf"
	ip -n "r-$name" address add $ghost/32 dev lo
	mkdir -p /run /var/run
	peer usr/sbin/keepalived --check --dont-fork --log-console --use-file "/tmp/$name/keepalived.conf" \
		--pid "/tmp/$name/pid" --checkers_pid "/tmp/$name/checkers" >"/tmp/$name/log" 2>&1 &
	echo $! >"/tmp/$name/daemon"
	until_in_table || { cat "/tmp/$name/log" "/tmp/$name/keepalived.conf"; exit 1; }
}

# The first server as /proc/net/ip_vs has it.
first=C0A8010B:0050
until_in_table() {
	router sh -c "tries=0; until grep -q $first /proc/net/ip_vs; do tries=\$((tries + 1)); [ \$tries -lt 1000 ] || exit 1; usleep 20000; done"
}

death() {
	if [ -e "/tmp/$name/keepalived.conf" ]; then
		router sh -c "kill $(cat "/tmp/$name/pid1"); read -r begin rest </proc/uptime
			while grep -q $first /proc/net/ip_vs; do usleep 5000; done
			read -r end rest </proc/uptime; echo \$begin \$end"
		serve 1
		until_in_table
		return
	fi
	# Nothing of an earlier change is left.
	while router nft list chains netdev | grep -q moved; do usleep 200000; done
	mkfifo "/tmp/$name/changes"
	become "r-$name" nft monitor >"/tmp/$name/changes" 2>&1 &
	monitor=$!
	exec 4<"/tmp/$name/changes"
	line=
	# The daemon's socket is one that hears of nftables (protocol 12); the monitor's is the second.
	while [ "$(router awk '$2 == 12 && $4 !~ /^0+$/' /proc/net/netlink | wc -l)" -lt 2 ]; do usleep 100000; done
	# What it prints comes in blocks; half the table fills many of them.
	kill "$(cat "/tmp/$name/pid1")"
	read -r begin rest </proc/uptime
	until case $line in *web/slot*) ;; *) false ;; esac; do read -t 60 -r line <&4 || exit 1; done
	read -r end rest </proc/uptime
	echo "$begin $end"
	kill $monitor
	exec 4<&-
	rm "/tmp/$name/changes"
	serve 1
	# The next one shall die when it serves again.
	until router nft list map netdev oneip web/slot | grep -q web/to/s1; do usleep 200000; done
}

# Pages that two of its processes share are counted once. Ten seconds later nothing of the last change is under way, and the guest's
# clock leaps over them.
memory() {
	sleep 10
	leader=$(cat "/tmp/$name/daemon")
	for process in /proc/[0-9]*; do
		parent=$(awk '/^PPid:/ { print $2 }' "$process/status" 2>/dev/null)
		[ "${process##*/}" != "$leader" ] && [ "$parent" != "$leader" ] || cat "$process/smaps_rollup"
	done | awk '/^Pss:/ { resident += $2 } /^Anonymous:/ { own += $2 } END { print resident, own }'
}

close() {
	stop "$(cat "/tmp/$name/daemon")"
	for number in $(numbers); do stop "$(cat "/tmp/$name/pid$number")"; done
	for number in $(numbers); do ip netns del "v$number-$name"; done
	ip netns del "r-$name"
	rm -r "/tmp/$name"
}

if [ $# -gt 0 ]; then
	command=$1
	name=$2
	shift 2
	"$command" "$@"
	exit
fi

# What is sent waits for this thread once it has been woken, and the sender, with its real-time priority, would not let it run.
for process in /proc/[0-9]*; do
	case $(cat "$process/comm") in ksoftirqd*) chrt -f -p 50 "${process##*/}" ;; esac
done
mkdir -p /etc/config
export HOME=/ PS1='guest# '
echo 'guest: a shell follows'
setsid cttyhack sh -i
