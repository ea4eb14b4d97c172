import type { CheckCase } from './case.ts';

/** Services whose packets go to all servers, and what stands in the way of that. */
export const dispatchCases: readonly CheckCase[] = [
  {
    title: 'everything about the second ghost address that is right',
    uci: `config service 'web'
	list ghost '192.0.2.1'
	list ghost '2001:db8::1'
	option port '80'
	option dispatch 'broadcast'
	list ghost2 '192.168.1.250'
	list ghost2 '2001:db8:1::250'

config service 'tls'
	list ghost '192.0.2.1'
	option port '443'
	option dispatch 'broadcast'

config service 'ssh'
	list ghost '192.0.2.1'
	option port '22'

config service 'mail'
	list ghost '192.0.2.2'
	option dispatch 'multicast'

config service 'dns'
	list ghost '192.0.2.3'
	option dispatch 'broadcast'
	list ghost2 '192.168.1.250'

config server 'one'
	option service 'web tls ssh mail dns'
	option address '192.168.1.11'
	option address6 '2001:db8:1::11'

config globals 'globals'
	option key 'a-secret-of-sixteen-or-more'
`,
    problems: [],
  },
  {
    title: 'second ghost addresses that cannot be',
    uci: `config service 'one'
	list ghost '192.0.2.1'
	list ghost2 '192.168.1.250'

config service 'two'
	list ghost '192.0.2.2'
	option dispatch 'broadcast'
	list ghost2 '192.168.1.250'
	list ghost2 '192.168.1.251'

config service 'three'
	list ghost '192.0.2.3'
	option dispatch 'broadcast'
	list ghost2 '192.0.2.3'

config service 'four'
	list ghost '192.0.2.4'
	option dispatch 'multicast'
	list ghost2 '224.0.0.5'

config service 'five'
	list ghost '192.0.2.5'
	option dispatch 'multicast'
	list ghost2 '2001:db8::5'

config service 'six'
	list ghost '192.0.2.6'
	option dispatch 'broadcast'
	list ghost2 '192.0.2.5'

config service 'seven'
	list ghost '192.0.2.7'
	option dispatch 'broadcast'
	list ghost2 '192.168.1.253'

config service 'eight'
	list ghost '192.0.2.8'
	option dispatch 'multicast'
	list ghost2 '192.168.1.253'

config service 'nine'
	list ghost '192.168.1.253'

config server 'web1'
	list service 'one'
	list service 'five'
	list service 'seven'
	option address '192.168.1.253'

config server 'web2'
	list service 'one'
	list service 'two'
	list service 'three'
	list service 'four'
	list service 'five'
	list service 'six'
	list service 'seven'
	list service 'eight'
	list service 'nine'
	option address '192.168.1.12'

config globals 'globals'
	option key 'a-secret-of-sixteen-or-more'
`,
    problems: [
      "oneip:3: warning: service 'one': option 'ghost2' does not go with dispatch 'route' and is ignored; accepted: dispatch 'broadcast' or 'multicast'",
      "oneip:9: error: service 'two': option 'ghost2': '192.168.1.251' is a second one for IPv4, besides '192.168.1.250'; accepted: one address a family",
      "oneip:14: error: service 'three': option 'ghost2': '192.0.2.3' is a ghost address of the service itself; accepted: a free address of the servers' subnet",
      "oneip:19: error: service 'four': option 'ghost2': '224.0.0.5' is a multicast address; accepted: a free address of the servers' subnet",
      "oneip:24: warning: service 'five': option 'ghost2': '2001:db8::5' is ignored, since the service has no IPv6 ghost address",
      "oneip:29: error: service 'six': option 'ghost2': '192.0.2.5' is a ghost address of service 'five' (line 21); accepted: a free address of the servers' subnet",
      "oneip:39: error: service 'eight': option 'ghost2': '192.168.1.253' is a second ghost address of service 'seven' (line 31); accepted: a free address of the servers' subnet",
      "oneip:42: error: service 'nine': option 'ghost': '192.168.1.253' is a second ghost address of service 'seven' (line 31); accepted: another ghost address",
      "oneip:48: error: server 'web1': option 'address': '192.168.1.253' is a ghost address of service 'seven'; accepted: the server's own address, which no other server has",
    ],
  },
  {
    title: 'a ghost address with two ways',
    uci: `config service 'web'
	list ghost '192.0.2.1'
	option port '80'
	option dispatch 'broadcast'
	list ghost2 '192.168.1.250'

config service 'tls'
	list ghost '192.0.2.1'
	option port '443'
	option dispatch 'multicast'

config service 'ssh'
	list ghost '192.0.2.1'
	option port '22'
	option device 'dmz'

config service 'dns'
	list ghost '192.0.2.1'
	option port '53'
	option dispatch 'broadcast'
	list ghost2 '192.168.1.251'

config service 'imap'
	list ghost '192.0.2.2'
	option port '993'
	option dispatch 'broadcast'

config service 'smtp'
	list ghost '192.0.2.2'
	option port '25'
	option dispatch 'broadcast'
	list ghost2 '192.168.1.252'

config server 'one'
	option service 'web tls ssh dns imap smtp'
	option address '192.168.1.11'

config globals 'globals'
	option key 'a-secret-of-sixteen-or-more'
`,
    problems: [
      "oneip:8: error: service 'tls': option 'ghost': '192.0.2.1' is sent to all servers by broadcast for service 'web' (line 1), and an address has one route; accepted: dispatch 'broadcast', or another ghost address",
      "oneip:13: error: service 'ssh': option 'ghost': '192.0.2.1' leads to 'br-lan' for service 'web' (line 1), and an address has one route; accepted: device 'br-lan', or another ghost address",
      "oneip:18: error: service 'dns': option 'ghost': '192.0.2.1' leads to '192.168.1.250' for service 'web' (line 1), and an address has one route; accepted: ghost2 '192.168.1.250', or another ghost address",
      "oneip:29: error: service 'smtp': option 'ghost': '192.0.2.2' leads to a second ghost address that is chosen for service 'imap' (line 23), and an address has one route; accepted: no option 'ghost2', or another ghost address",
    ],
  },
  {
    title: 'what the router does not do where it sends to all',
    uci: `config service 'web'
	list ghost '192.0.2.1'
	option dispatch 'broadcast'
	option on_change 'reset'
	option on_failure 'drop'

config service 'mail'
	list ghost '192.0.2.2'
	option dispatch 'multicast'
	list allow '198.51.100.0/24'
	list deny '198.51.100.7'

config server 'one'
	option service 'web'
	option address '192.168.1.11'

config globals 'globals'
	option key 'a-secret-of-sixteen-or-more'
`,
    problems: [
      "oneip:4: warning: service 'web': option 'on_change' does not go with dispatch 'broadcast' and is ignored, since it is the servers who keep or drop",
      "oneip:5: warning: service 'web': option 'on_failure' does not go with dispatch 'broadcast' and is ignored, since it is the servers who keep or drop",
      "oneip:10: error: service 'mail': option 'allow' does not go with dispatch 'multicast', in which the router looks at no packet of the service; accepted: rules of the firewall, which sees these packets; or no such list",
      "oneip:11: error: service 'mail': option 'deny' does not go with dispatch 'multicast', in which the router looks at no packet of the service; accepted: rules of the firewall, which sees these packets; or no such list",
    ],
  },
  {
    title: 'servers that nobody tells of each other',
    uci: `config service 'web'
	list ghost '192.0.2.1'
	option dispatch 'broadcast'

config server 'one'
	option service 'web'
	option address '192.168.1.11'
`,
    problems: [
      "oneip:3: warning: service 'web': option 'dispatch': 'broadcast' without a key leaves the servers without word of the router: one that fails keeps its clients; accepted: option 'key' in the globals, the same on the router and all servers",
    ],
  },
  {
    title: 'a number for nobody',
    uci: `config globals 'globals'
	option load_script '/etc/oneip/load'

config service 'web'
	list ghost '192.0.2.1'

config server 'one'
	option service 'web'
	option address '192.168.1.11'
`,
    problems: [
      "oneip:2: warning: globals 'globals': option 'load_script': tells nobody its number; accepted: option 'key' in globals",
    ],
  },
];
