import type { CheckCase } from './case.ts';

/** Services whose connections are translated, and what does not go with that. */
export const translationCases: readonly CheckCase[] = [
  {
    title: 'everything about translation that is right',
    uci: `config service 'web'
	list ghost '203.0.113.1'
	option port '443'
	option hash 'source_port'
	option dispatch 'nat'
	option masquerade '1'

config service 'ssh'
	list ghost '203.0.113.1'
	option port '22'
	option dispatch 'nat'
	option scheduler 'round_robin'

config service 'dns'
	list ghost '203.0.113.1'
	option proto 'udp'
	option dispatch 'nat'
	option scheduler 'random'
	option all_down 'reject'

config server 'one'
	option service 'web ssh'
	option address '192.168.1.11'
	option port '8443'

config server 'two'
	option service 'dns'
	option address '192.168.1.11'
`,
    problems: [],
  },
  {
    title: 'what means nothing to tracked connections',
    uci: `config service 'web'
	list ghost '203.0.113.1'
	option dispatch 'nat'
	list ghost2 '192.168.1.250'
	option second_chance '1'
	option on_change 'reset'
	option on_failure 'drop'
	option drain_timeout '1h'
	option idle_timeout '1m'
	option learn_time '1m'
	option scheduler 'random'
	option hash 'source'

config server 'one'
	option service 'web'
	option address '192.168.1.11'
`,
    problems: [
      "oneip:4: warning: service 'web': option 'ghost2' does not go with dispatch 'nat' and is ignored; accepted: dispatch 'broadcast' or 'multicast'",
      ...[
        [5, 'second_chance'],
        [6, 'on_change'],
        [7, 'on_failure'],
        [8, 'drain_timeout'],
        [9, 'idle_timeout'],
        [10, 'learn_time'],
      ].map(
        ([line, option]) =>
          `oneip:${line}: warning: service 'web': option '${option}' does not go with dispatch 'nat' and is ignored, since every connection is tracked`,
      ),
      "oneip:12: warning: service 'web': option 'hash' does not go with scheduler 'random' and is ignored",
    ],
  },
  {
    title: 'what only tracked connections can have',
    uci: `config service 'web'
	list ghost '192.0.2.1'
	option dispatch 'multicast'
	option scheduler 'round_robin'

config service 'all'
	list ghost '192.0.2.2'
	option dispatch 'broadcast'
	option scheduler 'random'

config service 'ssh'
	list ghost '192.0.2.3'
	option port '22'
	option masquerade '1'

config server 'one'
	option service 'ssh'
	option address '192.168.1.11'
	option port '2222'

config globals 'globals'
	option key 'a-secret-of-sixteen-or-more'
`,
    problems: [
      "oneip:4: error: service 'web': option 'scheduler': 'round_robin' does not go with dispatch 'multicast', in which nobody remembers who has a connection; accepted: scheduler 'hash'; or dispatch 'route' or 'nat'",
      "oneip:9: error: service 'all': option 'scheduler': 'random' does not go with dispatch 'broadcast', in which nobody remembers who has a connection; accepted: scheduler 'hash'; or dispatch 'route' or 'nat'",
      "oneip:14: warning: service 'ssh': option 'masquerade' does not go with dispatch 'route' and is ignored, since servers answer clients themselves; accepted: dispatch 'nat'",
      "oneip:19: warning: server 'one': option 'port' does not go with dispatch 'route' of service 'ssh' and is ignored there, since packets reach servers as they are; accepted: dispatch 'nat'",
    ],
  },
  {
    title: "a server's port that cannot be all ports of its service",
    uci: `config service 'web'
	list ghost '203.0.113.1'
	list port '80'
	list port '443'
	option dispatch 'nat'

config service 'range'
	list ghost '203.0.113.2'
	option port '8000-8001'
	option dispatch 'nat'

config service 'any'
	list ghost '203.0.113.3'
	option dispatch 'nat'

config server 'one'
	option service 'web range any'
	option address '192.168.1.11'
	option port '8080'

config server 'two'
	option service 'web range any'
	option address '192.168.1.12'
`,
    problems: ['web', 'range', 'any'].map(
      (name) =>
        `oneip:19: error: server 'one': option 'port': '8080' cannot be every port of service '${name}', so that this server is left out of it; accepted: a service with a single port, or no port here`,
    ),
  },
  {
    title: 'reports of servers that know of no service',
    uci: `config service 'web'
	list ghost '203.0.113.1'
	option dispatch 'nat'

config server 'one'
	option service 'web'
	option address '192.168.1.11'

config watchdog 'alive'
	option type 'report'

config globals 'globals'
	option key 'a-secret-of-sixteen-or-more'
`,
    problems: [
      "oneip:9: warning: watchdog 'alive' does not watch service 'web', whose servers with dispatch 'nat' know of no service and report nothing; accepted: another type, or other services",
    ],
  },
  {
    title: 'an address whose connections are tracked for one service and not for another',
    uci: `config service 'web'
	list ghost '192.0.2.1'
	option port '80'
	option dispatch 'nat'

config service 'ssh'
	list ghost '192.0.2.1'
	option port '22'

config service 'dns'
	list ghost '192.0.2.2'
	option port '53'

config service 'ntp'
	list ghost '192.0.2.2'
	option port '123'
	option dispatch 'nat'

config server 'one'
	option service 'web ssh dns ntp'
	option address '192.168.1.11'
`,
    problems: [
      "oneip:7: error: service 'ssh': option 'ghost': '192.0.2.1' has dispatch 'nat' for service 'web' (line 1), and an address is tracked or it is not; accepted: dispatch 'nat', or another ghost address",
      "oneip:15: error: service 'ntp': option 'ghost': '192.0.2.2' has dispatch 'route' for service 'dns' (line 10), and an address is tracked or it is not; accepted: dispatch 'route', or another ghost address",
    ],
  },
  {
    title: 'an interface whose addresses are the ghosts',
    uci: `config service 'web'
	list ghost_interface 'wan'
	list ghost_interface 'wan6'
	option port '80'
	option dispatch 'nat'

config server 'one'
	option service 'web'
	option address '192.168.1.11'
`,
    problems: [],
  },
  {
    title: 'an interface where it cannot be followed',
    uci: `config service 'web'
	option ghost_interface 'wan'
	option port '80'

config service 'all'
	option ghost_interface 'wan'
	option dispatch 'nat'

config service 'flooded'
	option ghost_interface 'wan'
	option port '81'
	option dispatch 'broadcast'

config service 'none'
	option dispatch 'nat'

config server 'one'
	option service 'web all flooded none'
	option address '192.168.1.11'
`,
    problems: [
      "oneip:2: error: service 'web': option 'ghost_interface': 'wan' does not go with dispatch 'route', in which servers carry the ghost address and would not hear that it has become another one; accepted: dispatch 'nat', or the address itself in option 'ghost'",
      "oneip:6: error: service 'all': option 'ghost_interface': 'wan' has addresses of the router itself, of which a service cannot take every port; accepted: option 'port' with the ports of the service",
      "oneip:10: error: service 'flooded': option 'ghost_interface': 'wan' does not go with dispatch 'broadcast', in which servers carry the ghost address and would not hear that it has become another one; accepted: dispatch 'nat', or the address itself in option 'ghost'",
      "oneip:14: error: service 'none': option 'ghost' is missing; accepted: an IPv4 or IPv6 address",
    ],
  },
  {
    title: 'two services that follow an interface',
    uci: `config service 'web'
	option ghost_interface 'wan'
	option port '80'
	option dispatch 'nat'

config service 'tls'
	option ghost_interface 'wan'
	option port '443'
	option dispatch 'nat'

config service 'again'
	option ghost_interface 'wan'
	option port '80-90'
	option dispatch 'nat'

config server 'one'
	option service 'web tls again'
	option address '192.168.1.11'
`,
    problems: [
      "oneip:12: error: service 'again': option 'ghost_interface': 'wan' with tcp port 80 belongs to service 'web' (line 1); accepted: another ghost address, other ports or another protocol",
    ],
  },
];
