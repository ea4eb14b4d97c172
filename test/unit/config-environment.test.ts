import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { check } from '../../src/cli/check.ts';
import { checkEnvironment } from '../../src/config/check-environment.ts';
import {
  type Environment,
  type InterfaceAddress,
  type LinkState,
  type Listener,
  resolveDevice,
} from '../../src/config/environment.ts';
import { formatProblem } from '../../src/config/report.ts';
import { loadConfiguration } from '../../src/config/validate.ts';
import { type Address, parseAddress } from '../../src/net/address.ts';

function address(text: string): Address {
  const address = parseAddress(text);
  if (!address) throw new Error(text);
  return address;
}

/** `br-lan 192.168.1.1/24`, `wg0 10.0.0.1/32 peer 10.9.0.0`. */
function interfaceAddress(text: string): InterfaceAddress {
  const [device = '', prefix = '', , peer] = text.split(' ');
  const [own = '', length] = prefix.split('/');
  return {
    device,
    address: address(own),
    prefixLength: Number(length),
    ...(peer === undefined ? {} : { peer: address(peer) }),
  };
}

function link(name: string, ifindex: number, more: Partial<LinkState> = {}): LinkState {
  return { name, ifindex, mtu: 1500, up: true, hardware: `02:00:00:00:00:0${ifindex}`, ...more };
}

/** A home router: PPPoE on eth0, a bridge with one port. */
function router(
  more: { links?: LinkState[]; addresses?: string[]; listeners?: Listener[]; wireless?: string[] } = {},
): Environment {
  const ppp = { name: 'pppoe-wan', ifindex: 4, mtu: 1492, up: true };
  const links = [link('eth0', 1), link('br-lan', 2, { kind: 'bridge' }), link('lan1', 3, { masterIndex: 2 }), ppp];
  const addresses = [
    'br-lan 192.168.1.1/24',
    'br-lan 192.168.2.1/24',
    'br-lan fe80::1/64',
    'br-lan 2001:db8:1::1/64',
    'pppoe-wan 203.0.113.7/32 peer 198.51.100.1',
    'lo 127.0.0.1/8',
  ];
  return {
    links: new Map([...links, ...(more.links ?? [])].map((link) => [link.name, link])),
    addresses: [...addresses, ...(more.addresses ?? [])].map(interfaceAddress),
    interfaces: new Map([
      ['wan', 'pppoe-wan'],
      ['lan', 'br-lan'],
      ['guest', 'br-guest'],
    ]),
    listeners: more.listeners ?? [],
    wireless: new Set(more.wireless),
  };
}

const snooping = link('br-lan', 2, { kind: 'bridge', snooping: true });
const snoopingWarning = (which: string): string =>
  `oneip:1: warning: service 'web': option 'device': 'br-lan' listens to who joins groups (multicast snooping), and ${which} in none that it knows: once there is a querier, servers get nothing; accepted: snooping off (option igmp_snooping '0'), or the servers' ports as multicast routers (bridge link set dev PORT mcast_router 2)`;

interface Case {
  readonly title: string;
  /** Lines in the service; default: one ghost address that is nobody's. */
  readonly service?: string;
  readonly server?: string;
  readonly environment?: Environment;
  readonly problems: readonly string[];
  readonly refused?: readonly string[];
}

const any = (protocol: 'tcp' | 'udp', port: number): Listener => ({ protocol, address: 'any', port });

const cases: readonly Case[] = [
  { title: 'nothing to say', problems: [] },
  {
    title: 'frames to all on a bridge of cables',
    service: "list ghost '192.0.2.1'; option dispatch 'broadcast'",
    environment: router({ links: [snooping], wireless: ['phy0-ap0'] }),
    problems: [],
  },
  {
    title: 'frames to all on a bridge with a port that is Wi-Fi',
    service: "list ghost '192.0.2.1'; option dispatch 'broadcast'",
    environment: router({ links: [link('phy0-ap0', 9, { masterIndex: 2 })], wireless: ['phy0-ap0'] }),
    problems: [
      "oneip:1: error: service 'web': option 'device': 'phy0-ap0', a port of 'br-lan', is Wi-Fi, which sends frames to all at its lowest rate, and never again where they are lost; accepted: dispatch 'route', or a device of its own for the servers",
    ],
    refused: ['web'],
  },
  {
    title: 'frames to one on such a bridge',
    environment: router({ links: [link('phy0-ap0', 9, { masterIndex: 2 })], wireless: ['phy0-ap0'] }),
    problems: [],
  },
  {
    title: 'frames to all on Wi-Fi itself',
    service: "list ghost '192.0.2.1'; option dispatch 'multicast'",
    environment: router({ wireless: ['br-lan'] }),
    problems: [
      "oneip:1: error: service 'web': option 'device': 'br-lan' is Wi-Fi, which sends frames to all at its lowest rate, and never again where they are lost; accepted: dispatch 'route', or a device of its own for the servers",
    ],
    refused: ['web'],
  },
  {
    title: 'frames to all where there are no frames',
    service: "list ghost '192.0.2.1'; option dispatch 'broadcast'; option device 'tun0'",
    server: "option address '10.8.0.2'",
    environment: router({
      links: [{ name: 'tun0', ifindex: 9, mtu: 1500, up: true }],
      addresses: ['tun0 10.8.0.1/24'],
    }),
    problems: [
      "oneip:2: error: service 'web': option 'device': 'tun0' has no Ethernet addresses, so that no frame on it goes to all servers; accepted: dispatch 'route'",
    ],
    refused: ['web'],
  },
  {
    title: "the router's own address, from which nothing goes to all servers",
    service: "list ghost '203.0.113.7'; option port '80'; option dispatch 'broadcast'",
    problems: [
      "oneip:2: error: service 'web': option 'ghost': '203.0.113.7' is this router's own address, from which nothing is sent on to servers with dispatch 'broadcast'; accepted: dispatch 'route', or another ghost address",
    ],
    refused: ['web'],
  },
  {
    title: 'second ghost addresses that are something else here',
    service: "list ghost '192.0.2.1'; option dispatch 'broadcast'; option ghost2 '192.168.1.255'",
    problems: [
      "oneip:2: error: service 'web': option 'ghost2': '192.168.1.255' is the broadcast address of 192.168.1.0/24 on 'br-lan'; accepted: a free address of the servers' subnet, or none for one that is chosen",
    ],
    refused: ['web'],
  },
  {
    title: "the router's own address as second ghost address",
    service: "list ghost '192.0.2.1'; option dispatch 'broadcast'; option ghost2 '192.168.1.1'",
    problems: [
      "oneip:2: error: service 'web': option 'ghost2': '192.168.1.1' is this router's own address; accepted: a free address of the servers' subnet, or none for one that is chosen",
    ],
    refused: ['web'],
  },
  {
    title: 'a group on a bridge that prunes groups',
    service: "list ghost '192.0.2.1'; option dispatch 'multicast'",
    environment: router({ links: [snooping] }),
    problems: [snoopingWarning('its packets are')],
  },
  {
    title: 'IPv6 to all on a bridge that prunes groups',
    service: "list ghost '2001:db8::1'; option dispatch 'broadcast'",
    server: "option address6 '2001:db8:1::11'",
    environment: router({ links: [snooping] }),
    problems: [snoopingWarning('its IPv6 packets are')],
  },
  {
    title: 'a group on such a bridge whose ports for servers have been set',
    service: "list ghost '192.0.2.1'; option dispatch 'multicast'",
    environment: router({ links: [snooping, link('lan2', 9, { masterIndex: 2, multicastRouter: true })] }),
    problems: [],
  },
  {
    title: 'a logical interface for the servers',
    service: "list ghost '192.0.2.1'; option device 'lan'",
    problems: [],
  },
  { title: 'an IPv4 ghost address inside a connected subnet', service: "list ghost '192.168.1.100'", problems: [] },
  {
    title: "the router's own address without ports",
    service: "list ghost '192.0.2.1'; list ghost '203.0.113.7'",
    problems: [
      "oneip:2: error: service 'web': option 'ghost': '203.0.113.7' is this router's own address, of which a service cannot take every port; accepted: option 'port' with the ports of the service, or another ghost address",
    ],
    refused: ['web'],
  },
  {
    title: "the router's own address with every protocol",
    service: "list ghost '203.0.113.7'; option proto 'all'",
    problems: [
      "oneip:2: error: service 'web': option 'ghost': '203.0.113.7' is this router's own address, of which a service cannot take every port; accepted: option 'port' with the ports of the service, or another ghost address",
    ],
    refused: ['web'],
  },
  {
    title: "the router's own address with ports",
    service: "list ghost '203.0.113.7'; option port '80'",
    environment: router({ listeners: [any('udp', 80), any('tcp', 81)] }),
    problems: [],
  },
  {
    title: 'the router itself listens on every address',
    service: "list ghost '203.0.113.7'; option proto 'tcp+udp'; option port '53 80-90'",
    environment: router({
      listeners: [
        any('tcp', 80),
        { protocol: 'udp', address: address('203.0.113.7'), port: 53 },
        { protocol: 'udp', address: address('192.168.1.1'), port: 85 },
        any('tcp', 91),
      ],
    }),
    problems: [
      "oneip:2: warning: service 'web': option 'ghost': this router itself listens on tcp port 80 of '203.0.113.7', where clients will get the service instead",
      "oneip:2: warning: service 'web': option 'ghost': this router itself listens on udp port 53 of '203.0.113.7', where clients will get the service instead",
    ],
  },
  {
    title: 'listeners do not matter to a ghost address of its own',
    service: "list ghost '192.0.2.1'; option port '80'",
    environment: router({ listeners: [any('tcp', 80)] }),
    problems: [],
  },
  {
    title: 'the only address of the router where the servers are',
    service: "list ghost '2001:db8:1::1'; option port '80'",
    server: "option address6 '2001:db8:1::11'",
    environment: {
      ...router(),
      addresses: ['br-lan 2001:db8:1::1/64', 'eth0 2001:db8::2/64', 'br-lan 192.168.1.1/24'].map(interfaceAddress),
    },
    problems: [
      "oneip:2: warning: service 'web': option 'ghost': '2001:db8:1::1' is this router's only IPv6 address on 'br-lan', and servers that carry it cannot use it as their gateway; accepted: a second address for one of both purposes",
    ],
  },
  {
    title: 'one of two addresses of the router where the servers are',
    service: "list ghost '192.168.1.1'; option port '80'",
    problems: [],
  },
  {
    title: 'a broadcast address',
    service: "list ghost '192.168.1.255'",
    problems: [
      "oneip:2: error: service 'web': option 'ghost': '192.168.1.255' is the broadcast address of 192.168.1.0/24 on 'br-lan'; accepted: an address that a host could have",
    ],
    refused: ['web'],
  },
  {
    title: 'a network address',
    service: "list ghost '192.168.1.0'",
    problems: [
      "oneip:2: error: service 'web': option 'ghost': '192.168.1.0' is the network address of 192.168.1.0/24 on 'br-lan'; accepted: an address that a host could have",
    ],
    refused: ['web'],
  },
  {
    title: 'the broadcast address of the smallest subnet that has one',
    service: "list ghost '192.0.2.3'",
    environment: router({ links: [link('eth1', 7)], addresses: ['eth1 192.0.2.1/30'] }),
    problems: [
      "oneip:2: error: service 'web': option 'ghost': '192.0.2.3' is the broadcast address of 192.0.2.0/30 on 'eth1'; accepted: an address that a host could have",
    ],
    refused: ['web'],
  },
  {
    title: 'the first address of an IPv6 subnet is one like others',
    service: "list ghost '2001:db8:1::'",
    server: "option address6 '2001:db8:1::11'",
    problems: [],
  },
  {
    title: 'both addresses of a link of two are hosts (RFC 3021)',
    service: "list ghost '192.0.2.1'",
    environment: router({ links: [link('eth1', 7)], addresses: ['eth1 192.0.2.0/31'] }),
    problems: [],
  },
  {
    title: 'devices that are not there',
    service: "list ghost '192.0.2.1'; option source 'wan guest wan6 eth9'; option device 'br-dmz'",
    problems: [
      "oneip:2: warning: service 'web': option 'source': 'guest' is on device 'br-guest', which is not there at the moment",
      "oneip:2: warning: service 'web': option 'source': 'wan6' is neither a logical interface that is up nor a device at the moment",
      "oneip:2: warning: service 'web': option 'source': 'eth9' is neither a logical interface that is up nor a device at the moment",
      "oneip:2: warning: service 'web': option 'device': 'br-dmz' is neither a logical interface that is up nor a device at the moment",
    ],
  },
  {
    title: 'a device that is down',
    environment: router({ links: [link('br-lan', 2, { kind: 'bridge', up: false })] }),
    problems: ["oneip:1: warning: service 'web': option 'device': 'br-lan' is down at the moment"],
  },
  {
    title: 'a port of a bridge',
    service: "list ghost '192.0.2.1'; option source 'lan1'",
    problems: [
      "oneip:2: warning: service 'web': option 'source': 'lan1' is a port of the bridge 'br-lan' and has no packets of its own; accepted: 'br-lan'",
    ],
  },
  {
    title: 'a device in a VRF is no port of a bridge',
    service: "list ghost '192.0.2.1'; option source 'eth5'",
    environment: router({ links: [link('red', 8, { kind: 'vrf' }), link('eth5', 9, { masterIndex: 8 })] }),
    problems: [],
  },
  {
    title: 'servers behind a device without Ethernet header',
    service: "list ghost '192.0.2.1'; option device 'wan'",
    server: "option address '198.51.100.1'",
    problems: [
      "oneip:2: warning: service 'web': option 'device': 'pppoe-wan' has no Ethernet header, so its one peer would get every packet, whichever server was picked; accepted: a device with Ethernet headers",
    ],
  },
  {
    title: 'a server in no subnet of the device',
    server: "option address '10.0.0.5'",
    problems: [
      "oneip:6: warning: server 'one': option 'address': '10.0.0.5' is not on 'br-lan', which has 192.168.1.0/24, 192.168.2.0/24: nobody there answers for it; accepted: an address in a subnet of the device on which the service has its servers",
    ],
  },
  {
    title: 'a server on a device without addresses',
    service: "list ghost '192.0.2.1'; option device 'eth0'",
    problems: [
      "oneip:6: warning: server 'one': option 'address': '192.168.1.11' is out of reach, since 'eth0' has no IPv4 address at the moment; accepted: an address in a subnet of the device on which the service has its servers",
    ],
  },
  {
    title: 'a family without ghost address does not matter',
    server: "option address '192.168.2.11'; option address6 '2001:db8:9::11'",
    problems: [],
  },
  {
    title: 'an IPv6 server elsewhere',
    service: "list ghost '2001:db8::1'",
    server: "option address6 '2001:db8:9::11'",
    problems: [
      "oneip:6: warning: server 'one': option 'address6': '2001:db8:9::11' is not on 'br-lan', which has 2001:db8:1::/64: nobody there answers for it; accepted: an address in a subnet of the device on which the service has its servers",
    ],
  },
  {
    title: "a server with the router's own address",
    server: "option address '192.168.1.1'",
    problems: [
      "oneip:6: warning: server 'one': option 'address': '192.168.1.1' is this router's own address, so that clients given to this server are lost; accepted: the server's own address",
    ],
  },
  {
    title: 'a server with a broadcast address',
    server: "option address '192.168.1.255'",
    problems: [
      "oneip:6: warning: server 'one': option 'address': '192.168.1.255' is the broadcast address of 192.168.1.0/24 on 'br-lan', so that clients given to this server are lost; accepted: the server's own address",
    ],
  },
];

for (const { title, service, server, environment, problems, refused } of cases) {
  test(`environment: ${title}`, () => {
    const uci = `config service 'web'
	${service ?? "list ghost '192.0.2.1'"}

config server 'one'
	option service 'web'
	${server ?? "option address '192.168.1.11'"}

config globals 'globals'
	option key 'a-secret-of-sixteen-or-more'
`;
    const loaded = loadConfiguration(uci, 'oneip');
    assert.equal(loaded.problems, []);
    const check = checkEnvironment(loaded.model, environment ?? router(), loaded.positions);
    assert.equal(check.problems.map(formatProblem), problems);
    assert.equal([...check.refused], refused ?? []);
  });
}

test('environment: a server that several services share is complained of once', () => {
  const uci = `config service 'web'
	list ghost '192.0.2.1'

config service 'dns'
	list ghost '192.0.2.2'

config server 'one'
	option service 'web dns'
	option address '10.0.0.5'
`;
  const { model, positions } = loadConfiguration(uci, 'oneip');
  assert.is(checkEnvironment(model, router(), positions).problems.length, 1);
});

test('environment: only the services at fault are refused', () => {
  const uci = `config service 'web'
	list ghost '192.0.2.1'

config service 'own'
	list ghost '203.0.113.7'

config server 'one'
	option service 'web own'
	option address '192.168.1.11'
`;
  const { model, positions } = loadConfiguration(uci, 'oneip');
  assert.equal([...checkEnvironment(model, router(), positions).refused], ['own']);
});

test("environment: a watchdog's port from which answers do not get through", () => {
  const uci = `config service 'own'
	list ghost '203.0.113.7'
	list port '80-90'

config service 'web'
	list ghost '192.0.2.1'
	list port '80'

config watchdog 'alive'
	option type 'tcp'
	option port '8080'

config watchdog 'fits'
	option type 'http'
	option port '85'
	list service 'own'

config watchdog 'elsewhere'
	option type 'http'
	option port '8080'
	list service 'web'

config server 'one'
	option service 'web own'
	option address '192.168.1.11'
`;
  const { model, positions } = loadConfiguration(uci, 'oneip');
  assert.equal(checkEnvironment(model, router(), positions).problems.map(formatProblem), [
    "oneip:11: warning: watchdog 'alive': option 'port': '8080' is no port of service 'own', whose ghost address '203.0.113.7' is this router's own: servers' answers from there do not get through, so that they would be taken for dead; accepted: a port of the service, or none for its first",
  ]);
});

test('environment: a logical interface comes before a device of the same name', () => {
  const environment = router({ links: [link('lan', 9)] });
  assert.is(resolveDevice(environment, 'lan'), 'br-lan');
  assert.is(resolveDevice(environment, 'br-lan'), 'br-lan');
  assert.is(resolveDevice(environment, 'eth9'), 'eth9');
});

test('on one of the servers nothing is held against the router that it is not', () => {
  const text = `config service 'web'
	list ghost '198.51.100.1'
	option dispatch 'broadcast'
config server 'one'
	list service 'web'
	option address '192.168.1.11'
config watchdog 'alive'
	option type 'tcp'
	option port '80 apples'
`;
  const server = { ...router(), addresses: ['lo 198.51.100.1/32', 'eth0 192.168.1.11/24'].map(interfaceAddress) };
  const { output, status } = check(text, 'oneip', server, false);
  const places = output.split('\n').map((line) => line.split(/: '| is /)[0]);
  assert.equal(places, [
    "oneip:3: warning: service 'web': option 'dispatch'",
    "oneip:9: error: watchdog 'alive': option 'port'",
    "1 error, 1 warning, looked at as on server 'one'",
    '',
  ]);
  assert.is(status, 1);
  assert.is(check(text.replace('80 apples', '80'), 'oneip', server, true).status, 0);
});

test.run();
