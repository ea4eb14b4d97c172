import type { CheckCase } from './case.ts';

/** Services and servers that do not go together. */
export const serviceCases: readonly CheckCase[] = [
  {
    title: 'traffic that an earlier service has',
    uci: `config service 'web'
	list ghost '192.0.2.1'
	option port '80 443 8000-8010'

config service 'admin'
	list ghost '192.0.2.9'
	list ghost '192.0.2.1'
	option proto 'tcp+udp'
	option port '443 8005-8020'

config service 'dns'
	list ghost '192.0.2.1'
	option proto 'udp'
	option port '53'

config service 'rest'
	list ghost '192.0.2.1'
	option proto 'all'

config service 'ping'
	list ghost '192.0.2.2'
	option proto 'all'

config service 'pong'
	list ghost '192.0.2.2'
	option proto 'all'

config service 'tcp'
	list ghost '192.0.2.3'

config service 'more'
	list ghost '192.0.2.3'
	option proto 'tcp+udp'

config server 'one'
	option service 'web admin dns rest ping pong tcp more'
	option address '192.168.1.11'
`,
    problems: [
      "oneip:7: error: service 'admin': option 'ghost': '192.0.2.1' with tcp ports 443, 8005-8010 belongs to service 'web' (line 1); accepted: another ghost address, other ports or another protocol",
      "oneip:17: error: service 'rest': option 'ghost': '192.0.2.1' with tcp ports 80, 443, 8000-8010 belongs to service 'web' (line 1); accepted: another ghost address, other ports or another protocol",
      "oneip:25: error: service 'pong': option 'ghost': '192.0.2.2' with every protocol belongs to service 'ping' (line 20); accepted: another ghost address, other ports or another protocol",
      "oneip:32: error: service 'more': option 'ghost': '192.0.2.3' with every tcp port belongs to service 'tcp' (line 28); accepted: another ghost address, other ports or another protocol",
    ],
  },
  {
    title: 'a server with a ghost address',
    uci: `config service 'web'
	list ghost '192.0.2.1'
	list ghost '2001:db8::1'

config server 'one'
	list service 'web'
	option address '192.0.2.1'
	option address6 '2001:DB8:0::1'

config server 'two'
	list service 'web'
	option address '192.168.1.12'
	option address6 '2001:db8::12'
`,
    problems: [
      "oneip:7: error: server 'one': option 'address': '192.0.2.1' is a ghost address of service 'web'; accepted: the server's own address, which no other server has",
      "oneip:8: error: server 'one': option 'address6': '2001:db8::1' is a ghost address of service 'web'; accepted: the server's own address, which no other server has",
    ],
  },
  {
    title: 'two servers, one address',
    uci: `config service 'web'
	list ghost '192.0.2.1'

config service 'dns'
	list ghost '192.0.2.2'

config server 'one'
	list service 'web'
	option address '192.168.1.11'

config server 'two'
	option service 'web dns'
	option address '192.168.1.11'
`,
    problems: [
      "oneip:13: error: server 'two': option 'address': '192.168.1.11' is the address of server 'one', so that this one is left out of service 'web'; accepted: an address of its own",
    ],
  },
  {
    title: 'an IPv4 ghost address without IPv4 servers',
    uci: `config service 'web'
	list ghost '192.0.2.1'
	list ghost '2001:db8::1'

config server 'one'
	list service 'web'
	option address6 '2001:db8:1::11'
`,
    problems: [
      "oneip:2: error: service 'web': option 'ghost': '192.0.2.1' is left out, since no server of the service has an IPv4 address; accepted: option 'address' in its servers",
    ],
  },
  {
    title: 'the only ghost address without servers',
    uci: `config service 'web'
	list ghost '192.0.2.1'

config server 'one'
	list service 'web'
	option address6 '2001:db8:1::11'
`,
    problems: [
      "oneip:2: error: service 'web': option 'ghost': '192.0.2.1' is left out, since no server of the service has an IPv4 address; accepted: option 'address' in its servers",
    ],
  },
  {
    title: 'some servers lack a family',
    uci: `config service 'web'
	list ghost '192.0.2.1'
	list ghost '2001:db8::1'

config server 'one'
	list service 'web'
	option address '192.168.1.11'
	option address6 '2001:db8:1::11'

config server 'two'
	list service 'web'
	option address6 '2001:db8:1::12'
`,
    problems: [
      "oneip:10: warning: server 'two' has no IPv4 address and gets no IPv4 clients of service 'web'; accepted: option 'address'",
    ],
  },
  {
    title: 'nobody has a weight',
    uci: `config service 'web'
	list ghost '192.0.2.1'

config server 'one'
	list service 'web'
	option address '192.168.1.11'
	option weight '0'
`,
    problems: [
      "oneip:1: warning: service 'web' has no server for IPv4 clients with a weight above 0; accepted: option 'weight' 1–1000 in one of its servers",
    ],
  },
  {
    title: 'times beyond the one that ends a change',
    uci: `config service 'web'
	list ghost '192.0.2.1'
	option learn_time '2m'
	option idle_timeout '61s'
	option drain_timeout '1m'

config server 'one'
	list service 'web'
	option address '192.168.1.11'
`,
    problems: [
      "oneip:3: warning: service 'web': option 'learn_time' is longer than 'drain_timeout', which ends the learning before; accepted: a longer 'drain_timeout', or a shorter time here",
      "oneip:4: warning: service 'web': option 'idle_timeout' is longer than 'drain_timeout', so that nothing ends by it; accepted: a longer 'drain_timeout', or a shorter time here",
    ],
  },
  {
    title: 'a short drain_timeout; who takes UDP is told of the learn_time that holds without saying',
    uci: `config service 'web'
	list ghost '192.0.2.1'
	option drain_timeout '10s'

config service 'names'
	list ghost '192.0.2.2'
	list proto 'udp'
	option drain_timeout '10s'

config service 'everything'
	list ghost '192.0.2.3'
	option proto 'all'
	option drain_timeout '30s'

config server 'one'
	list service 'web'
	list service 'names'
	list service 'everything'
	option address '192.168.1.11'
`,
    problems: [
      "oneip:8: warning: service 'names': option 'learn_time' is longer than 'drain_timeout', which ends the learning before; accepted: a longer 'drain_timeout', or a shorter time here",
    ],
  },
];
