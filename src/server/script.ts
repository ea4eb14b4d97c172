import { isFlooded, serverAddress } from '../config/model.ts';
import { slotTables } from '../deployment/slot-tables.ts';
import type { Family } from '../net/address.ts';
import { replaceRuleset, transaction } from '../plan/ruleset-diff.ts';
import { TABLE } from '../ruleset/ruleset.ts';
import { serverFilter } from './filter.ts';
import type { Identity } from './identity.ts';
import { ownedIn } from './ownership.ts';
import { ghostsOf, groupsOf, hasFlooded6 } from './wanted.ts';

/**
 * A POSIX shell script that makes a machine the server once, without a daemon: `start`, `stop`, `status`. It decides on the
 * machine what depends on the machine, as `wantedServer` does; the filter has the slots that the server has while all are up.
 */
export function serverScript(identity: Identity): string {
  const { server } = identity;
  const families = ([4, 6] as const).filter((family) => ghostsOf(identity).some((ghost) => ghost.family === family));
  const filter = filterOf(identity);
  return [
    head(server.name),
    JOURNAL,
    MACHINE,
    'start() {',
    '\tmkdir -p "$state" || die "cannot make $state"',
    ...(filter === undefined ? [] : ['\tguard_table']),
    ...withDevices(identity, families, 'exit 1', [
      ...families.flatMap((family) => settings(identity, family)),
      ...families.flatMap((family) => groupsOf(identity, family).map((group) => groupLine(group.text, family))),
    ]),
    ...(filter === undefined ? [] : ['\tload_filter']),
    ...ghostsOf(identity).map(({ text, family }) => ghostLine(text, family)),
    '}',
    '',
    'check() {',
    '\twrong=0',
    ...withDevices(identity, families, 'wrong=1', [
      ...families.flatMap((family) =>
        groupsOf(identity, family).map(
          ({ text }) => `\texpect "group ${text}" has_address ${text}/${width(family)} "$device${family}"`,
        ),
      ),
      ...(families.includes(4) ? ['\texpect "silence about the ghosts" is_silent "$device4"'] : []),
    ]),
    ...ghostsOf(identity).map(
      ({ text, family }) => `\texpect "ghost ${text} on lo" has_address ${text}/${width(family)} lo`,
    ),
    ...(filter === undefined ? [] : ['\texpect "filter" has_table']),
    '\treturn "$wrong"',
    '}',
    '',
    ...(filter === undefined
      ? []
      : [
          FILTER,
          'load_filter() {',
          `\tnft -j -f - <<'END' || die "the filter cannot be loaded"`,
          filter,
          'END',
          '}',
          '',
        ]),
    MAIN,
    '',
  ].join('\n');
}

/** Lines that name the devices of the server's own addresses, behind those that find them out; a server without is none. */
function withDevices(
  { server }: Identity,
  families: readonly Family[],
  otherwise: string,
  lines: readonly string[],
): string[] {
  const found = families.map((family) => {
    const device = `device_of ${serverAddress(server, family)?.text ?? ''}`;
    const isNamed = lines.some((line) => line.includes(`$device${family}`));
    return isNamed ? `\tdevice${family}=$(${device}) || ${otherwise}` : `\t${device} >/dev/null || ${otherwise}`;
  });
  return [...found, ...lines];
}

function width(family: Family): number {
  return family === 4 ? 32 : 128;
}

function filterOf({ server, services }: Identity): string | undefined {
  const ruleset = serverFilter(
    services.filter(isFlooded).map((service) => ({
      service,
      families: ([4, 6] as const).filter((family) => serverAddress(server, family)),
      owned: ownedIn(slotTables(service), service, server.name),
    })),
    false,
  );
  // Lines that an editor can take.
  return ruleset.tables.length === 0
    ? undefined
    : transaction(replaceRuleset(ruleset).commands).replaceAll('},{"', '},\n{"');
}

function settings({ services }: Identity, family: Family): string[] {
  if (family === 4) return ['\tbe_silent "$device4"'];
  if (!services.some(hasFlooded6)) return [];
  return ['\tset_to net/ipv6/conf/"$device6"/drop_unicast_in_l2_multicast 0'];
}

function groupLine(group: string, family: Family): string {
  return `\tadd_address ${group}/${width(family)} "$device${family}" autojoin${family === 6 ? ' nodad' : ''}`;
}

function ghostLine(ghost: string, family: Family): string {
  return `\tadd_address ${ghost}/${width(family)} lo ${family === 4 ? 'scope host' : 'preferred_lft 0 nodad'}`;
}

function head(server: string): string {
  return `#!/bin/sh
# Makes this machine the server ${server} of oneip: sh FILE start. Puts it back as it was: sh FILE stop.
# Made by: oneip server-script ${server}
set -u

server=${server}
state=\${ONEIP_SERVER_STATE:-/run/oneip-server/$server}
undo=$state/undo

die() {
	echo "$0: $*" >&2
	exit 1
}
`;
}

/** What was changed is written down before it is: a line each, in words that hold no blanks. */
const JOURNAL = `# Writes a line of what is about to change, unless an earlier start has. The first words tell what it is about.
note() {
	about=$1
	shift
	grep -q "^$about " "$undo" 2>/dev/null || echo "$about $*" >>"$undo" || die "cannot write $undo"
}

# set_to SYSCTL VALUE
set_to() {
	[ -e "/proc/sys/$1" ] || return 0
	now=$(cat "/proc/sys/$1")
	[ "$now" != "$2" ] || return 0
	note "sysctl $1" "$now $2"
	echo "$2" >"/proc/sys/$1" || die "cannot set $1"
}

# add_address ADDRESS/LENGTH DEVICE WORD...
add_address() {
	if has_address "$1" "$2"; then return 0; fi
	address=$1
	device=$2
	shift 2
	note "address $address $device" -
	ip address add "$address" dev "$device" "$@" 2>/dev/null && return 0
	# BusyBox knows fewer words. A ghost does without them; a group that is not joined is none.
	[ "$device" = lo ] && ip address add "$address" dev lo && return 0
	die "cannot add $address with '$*'"
}

has_address() {
	[ -n "$(ip -o address show dev "$2" to "$1" 2>/dev/null)" ]
}
`;

const MACHINE = `device_of() {
	found=$(ip -o address show to "$1" | while read -r _ device _; do
		echo "$device"
		break
	done)
	[ -n "$found" ] || die "$1 is no address of this machine"
	echo "$found"
}

# in_force NAME DEVICE: the kernel takes the larger of two values.
in_force() {
	all=$(cat "/proc/sys/net/ipv4/conf/all/$1")
	own=$(cat "/proc/sys/net/ipv4/conf/$2/$1")
	if [ "$all" -gt "$own" ]; then echo "$all"; else echo "$own"; fi
}

default_device() {
	ip -4 route show default | while read -r way; do
		case $way in *' dev '*)
			way=\${way#* dev }
			echo "\${way%% *}"
			break
			;;
		esac
	done
}

answers_for_its_own() {
	case $(in_force arp_ignore "$1") in 1 | 2 | 8) return 0 ;; esac
	return 1
}

is_silent() {
	answers_for_its_own "$1" && [ "$(in_force arp_announce "$1")" = 2 ]
}

# Nobody is told of the ghosts by ARP, neither in answers nor in questions.
be_silent() {
	answers_for_its_own "$1" || set_to "net/ipv4/conf/$1/arp_ignore" 1
	[ "$(in_force arp_announce "$1")" = 2 ] || set_to "net/ipv4/conf/$1/arp_announce" 2
	# Strict filtering drops what comes by another device than answers leave by.
	if [ "$(in_force rp_filter "$1")" = 1 ] && [ "$(default_device)" != "$1" ]; then
		set_to "net/ipv4/conf/$1/rp_filter" 2
	fi
}

# expect WHAT COMMAND...
expect() {
	what=$1
	shift
	if "$@"; then echo "$what: yes"; else
		echo "$what: no"
		wrong=1
	fi
}
`;

const FILTER = `has_table() {
	nft list table inet ${TABLE} >/dev/null 2>&1
}

guard_table() {
	command -v nft >/dev/null || die "nft is missing"
	if has_table && ! grep -q '^table ' "$undo" 2>/dev/null; then
		die "a table inet ${TABLE} is there already; does 'oneip server' run here?"
	fi
	note "table inet ${TABLE}" -
}
`;

const MAIN = `stop() {
	[ -e "$undo" ] || return 0
	failed=0
	# Addresses first: without them nothing that the filter has kept away is taken.
	while read -r kind address device _; do
		[ "$kind" = address ] || continue
		if has_address "$address" "$device"; then ip address delete "$address" dev "$device" || failed=1; fi
	done <"$undo"
	if grep -q '^table ' "$undo" && nft list table inet ${TABLE} >/dev/null 2>&1; then
		nft delete table inet ${TABLE} || failed=1
	fi
	while read -r kind key before ours; do
		[ "$kind" = sysctl ] || continue
		# What somebody else has set since stays, and what belongs to a device that has gone is gone.
		[ "$(cat "/proc/sys/$key" 2>/dev/null)" = "$ours" ] || continue
		echo "$before" >"/proc/sys/$key" || failed=1
	done <"$undo"
	[ "$failed" = 0 ] || die "not everything is as it was; $undo tells what was changed"
	rm -f "$undo"
	rmdir "$state" 2>/dev/null || true
}

case \${1:-} in
start) start ;;
stop) stop ;;
status)
	[ -e "$undo" ] || echo "$server: this script has changed nothing here, or nothing had to be"
	check
	;;
*)
	echo "usage: $0 start|stop|status" >&2
	exit 2
	;;
esac`;
