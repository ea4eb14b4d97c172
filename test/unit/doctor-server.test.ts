import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Service } from '../../src/config/model.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import { isFaulty, sortFindings } from '../../src/doctor/finding.ts';
import type { FamilyListener, OwnAddress, ServerObservation } from '../../src/doctor/observation.ts';
import { examineServer } from '../../src/doctor/server.ts';
import { address, GLOBALS, service } from './support/deployments.ts';
import { closedTo } from './support/firewall.ts';

const [ghost, ghost6] = ['198.51.100.1', '2001:db8:100::1'];

/** `eth0 192.168.1.11/24`, `lo 2001:db8::1/128 tentative`. */
function own(text: string): OwnAddress {
  const [device = '', prefix = '', state] = text.split(' ');
  const [host = '', length] = prefix.split('/');
  return {
    device,
    address: address(host),
    prefixLength: Number(length),
    tentative: state === 'tentative',
    duplicate: state === 'dadfailed',
  };
}

const ADDRESSES = [
  'lo 127.0.0.1/8',
  'eth0 192.168.1.11/24',
  'eth0 fd00:1::11/64',
  `lo ${ghost}/32`,
  `lo ${ghost6}/128`,
];

function listener(protocol: 'tcp' | 'udp', family: 4 | 6, where: string, port: number): FamilyListener {
  return { protocol, family, address: where === 'any' ? 'any' : address(where), port };
}

/** A server that is well: web1 of the service, TCP port 80. */
function seen(changes: Partial<ServerObservation> = {}): ServerObservation {
  const link = { ifindex: 2, mtu: 1500, up: true };
  return {
    links: new Map(
      [
        { ...link, name: 'lo', ifindex: 1 },
        { ...link, name: 'eth0', hardware: '02:00:00:00:02:01' },
        { ...link, name: 'dummy0', ifindex: 3, kind: 'dummy' },
      ].map((each) => [each.name, each]),
    ),
    addresses: ADDRESSES.map(own),
    sysctls: new Map([
      ['net/ipv4/conf/all/arp_ignore', '1'],
      ['net/ipv4/conf/all/arp_announce', '2'],
      ['net/ipv4/conf/eth0/rp_filter', '1'],
    ]),
    listeners: [listener('tcp', 6, 'any', 80)],
    local: new Map([ghost, ghost6].map((each) => [`${each} tcp 80`, 'connected' as const])),
    waysOut: new Map([
      [ghost, { device: 'eth0', via: address('192.168.1.1') }],
      [ghost6, { device: 'eth0', via: address('fd00:1::1') }],
    ]),
    gateways: new Map([
      ['eth0 4', address('192.168.1.1')],
      ['eth0 6', address('fd00:1::1')],
    ]),
    paths: new Map([['192.168.1.1', { answers: true, expected: 1500, largest: 1500 }]]),
    ruleset: '{"nftables":[]}',
    legacyTables: [],
    clocks: new Map([['192.168.1.1', -40]]),
    ...changes,
  };
}

function examine(changes: Partial<ServerObservation>, serviceChanges: Partial<Service> = {}) {
  const web = service(2, serviceChanges);
  const [server] = web.servers;
  if (!server) throw new Error('no server');
  return examineServer({ server, services: [web] }, seen(changes), configured(web));
}

function configured(web: Service, key?: string): Parameters<typeof examineServer>[2] {
  return { model: { globals: { ...GLOBALS, ...(key && { key }) }, services: [web], watchdogs: [] }, problems: [] };
}

function findings(changes: Partial<ServerObservation>, serviceChanges: Partial<Service> = {}): readonly Finding[] {
  return examine(changes, serviceChanges).findings;
}

/** `ID: COMMANDS`, by which most is said. */
function said(all: readonly Finding[]): string[] {
  return all.map(({ id, mend }) => `${id}: ${mend?.commands.map((words) => words.join(' ')).join(' && ') ?? ''}`);
}

const without = (...gone: string[]) => ADDRESSES.filter((each) => !gone.some((text) => each.includes(text)));
const sysctls = (values: Record<string, number>) =>
  new Map([...seen().sysctls, ...Object.entries(values).map(([key, value]) => [key, String(value)] as const)]);

test('of a server that is well nothing is said', () => {
  assert.equal(examine({}), { findings: [], unknown: [] });
});

test('a ghost that is missing goes on lo; nothing else is said of it', () => {
  assert.equal(said(findings({ addresses: without(ghost).map(own) })), [
    `ghost-missing: ip address add ${ghost}/32 dev lo`,
  ]);
  assert.equal(said(findings({ addresses: without(ghost6).map(own) })), [
    `ghost-missing: ip address add ${ghost6}/128 dev lo`,
  ]);
});

test('a family in which the server has no address is none of its business', () => {
  const web = service(1);
  const [server] = web.servers;
  if (!server?.address) throw new Error('no server');
  const addresses = without(ghost6, 'fd00').map(own);
  const identity = { server: { name: server.name, weight: 100, address: server.address }, services: [web] };
  assert.equal(examineServer(identity, seen({ addresses }), configured(web)).findings, []);
});

test('a dummy device is as good as lo; another one is not, and whether it can be mended safely depends on the prefix', () => {
  const on = (text: string) => findings({ addresses: [...without(ghost), text].map(own) });
  assert.equal(on(`dummy0 ${ghost}/32`), []);
  const [full] = on(`eth0 ${ghost}/32`);
  assert.equal(said(full ? [full] : []), [
    `ghost-device: ip address add ${ghost}/32 dev lo && ip address del ${ghost}/32 dev eth0`,
  ]);
  assert.ok(full?.mend?.safe);
  assert.not(on(`eth0 ${ghost}/24`)[0]?.mend?.safe, 'its network, and the way to the gateway, would go');
  const both = findings({ addresses: [...ADDRESSES, `eth0 ${ghost}/32`].map(own) });
  assert.equal(said(both), [`ghost-device: ip address del ${ghost}/32 dev eth0`]);
});

test('an address of IPv6 that is not used yet, or never will be', () => {
  for (const state of ['tentative', 'dadfailed']) {
    const [found] = findings({ addresses: [...without(ghost6), `eth0 ${ghost6}/128 ${state}`].map(own) });
    assert.is(found?.id, 'ghost-device');
    assert.match(found?.what ?? '', `(${state})`);
  }
});

test('prefixes: IPv4 gets the right one first, IPv6 has an address once', () => {
  assert.equal(said(findings({ addresses: [...without(ghost), `lo ${ghost}/24`].map(own) })), [
    `ghost-prefix: ip address add ${ghost}/32 dev lo && ip address del ${ghost}/24 dev lo`,
  ]);
  assert.equal(said(findings({ addresses: [...without(ghost6), `lo ${ghost6}/64`].map(own) })), [
    `ghost-prefix: ip address del ${ghost6}/64 dev lo && ip address add ${ghost6}/128 dev lo`,
  ]);
});

test('the address by which the router knows it is missing', () => {
  const [found, ...rest] = findings({ addresses: without('192.168.1.11').map(own) });
  assert.is(found?.id, 'own-address');
  assert.equal(rest, []);
});

test('the larger of what all devices and the one have counts', () => {
  const ignore = (all: number, eth0: number) =>
    said(
      findings({ sysctls: sysctls({ 'net/ipv4/conf/all/arp_ignore': all, 'net/ipv4/conf/eth0/arp_ignore': eth0 }) }),
    );
  assert.equal(ignore(0, 1), []);
  assert.equal(ignore(2, 0), []);
  assert.equal(ignore(0, 0), ['arp-ignore: sysctl -w net.ipv4.conf.all.arp_ignore=1']);
  for (const value of [3, 8]) {
    const both = 'sysctl -w net.ipv4.conf.all.arp_ignore=1 && sysctl -w net.ipv4.conf.eth0.arp_ignore=1';
    assert.equal(ignore(1, value), [`arp-ignore: ${both}`]);
  }
  const announce = said(findings({ sysctls: sysctls({ 'net/ipv4/conf/all/arp_announce': 1 }) }));
  assert.equal(announce, ['arp-announce: sysctl -w net.ipv4.conf.all.arp_announce=2']);
});

test('what nobody on the link asks for is worth a warning only', () => {
  const silenced = { sysctls: sysctls({ 'net/ipv4/conf/all/arp_ignore': 0 }) };
  assert.is(findings(silenced)[0]?.severity, 'warning');
  const near = { ghosts: [address('192.168.1.180')] };
  const addresses = [...ADDRESSES, 'lo 192.168.1.180/32'].map(own);
  const waysOut = new Map([['192.168.1.180', { device: 'eth0' }]]);
  const local = new Map([['192.168.1.180 tcp 80', 'connected' as const]]);
  assert.is(findings({ ...silenced, addresses, waysOut, local }, near)[0]?.severity, 'error');
});

test('device names with dots', () => {
  const moved = (text: string) => text.replace('eth0', 'eth0.2');
  const link = { name: 'eth0.2', ifindex: 2, mtu: 1500, up: true };
  const found = findings({
    addresses: ADDRESSES.map(moved).map(own),
    links: new Map([...seen().links, ['eth0.2', link]]),
    waysOut: new Map([...seen().waysOut].map(([key, way]) => [key, { ...way, device: 'eth0.2' }])),
    sysctls: sysctls({ 'net/ipv4/conf/eth0.2/arp_ignore': 3 }),
  });
  assert.match(said(found)[0] ?? '', 'sysctl -w net/ipv4/conf/eth0.2/arp_ignore=1');
});

test('no way out, with a router that is known and without', () => {
  const waysOut = new Map([...seen().waysOut].filter(([key]) => key === ghost));
  const [known] = findings({ waysOut });
  assert.equal(said(known ? [known] : []), ['no-route: ip -6 route add default via fd00:1::1 dev eth0']);
  assert.ok(known?.mend?.safe);
  const [unknown] = findings({ waysOut, gateways: new Map() });
  assert.not(unknown?.mend?.safe);
  assert.match(unknown?.advice ?? '', 'ROUTER');
});

test('a way out by another device, and strict filtering, which does not mind where the way is right', () => {
  const waysOut = new Map([...seen().waysOut, [ghost, { device: 'eth1', via: address('10.0.0.1') }] as const]);
  assert.equal(said(findings({ waysOut })), [
    `wrong-route: ip route replace default via 192.168.1.1 dev eth0 table 28416 && ip rule add from ${ghost} lookup 28416`,
    'rp-filter: sysctl -w net.ipv4.conf.eth0.rp_filter=2',
  ]);
  const loose = sysctls({ 'net/ipv4/conf/all/rp_filter': 2 });
  assert.equal(
    findings({ waysOut, sysctls: loose }).map(({ id }) => id),
    ['wrong-route'],
  );
});

test('who waits where', () => {
  const refused = new Map([ghost, ghost6].map((each) => [`${each} tcp 80`, 'refused' as const]));
  const ids = (listeners: FamilyListener[], local: ServerObservation['local'] = refused) =>
    findings({ listeners, local }).map(({ id, what }) => `${id} ${/198/.test(what) ? 4 : 6}`);
  assert.equal(ids([]), ['not-listening 4', 'not-listening 6']);
  assert.equal(ids([listener('udp', 4, 'any', 80)]), ['not-listening 4', 'not-listening 6'], 'another protocol');
  assert.equal(ids([listener('tcp', 4, 'any', 80)]), ['bound-elsewhere 6']);
  assert.equal(ids([listener('tcp', 6, 'any', 80)]), ['bound-elsewhere 4'], 'the connection was refused: IPv6 only');
  assert.equal(ids([listener('tcp', 6, 'any', 80)], new Map()), [], 'what `::` takes is not known');
  assert.equal(ids([listener('tcp', 4, '192.168.1.11', 80)]), ['bound-elsewhere 4', 'bound-elsewhere 6']);
  assert.equal(ids([listener('tcp', 4, ghost, 80), listener('tcp', 6, ghost6, 80)]), []);
});

test('TCP and UDP: one of both is enough, unless the other is there at the wrong address', () => {
  const both: Partial<Service> = { protocols: ['tcp', 'udp'] };
  const found = (...more: FamilyListener[]) => findings({ listeners: [...seen().listeners, ...more] }, both);
  assert.equal(found(), []);
  assert.equal(
    found(listener('udp', 4, '192.168.1.11', 80)).map(({ id, what }) => `${id} ${/udp/.test(what)}`),
    ['bound-elsewhere true', 'bound-elsewhere true'],
  );
});

test('of a range of ports a program may use what it needs; without ports nothing is missed', () => {
  assert.equal(findings({ listeners: [], local: new Map() }, { ports: [{ first: 8000, last: 8099 }] }), []);
  assert.equal(findings({ listeners: [], local: new Map() }, { ports: [] }), []);
});

test('a path that is narrow, and one of which nothing is known', () => {
  const path = (answers: boolean, largest: number) => new Map([['192.168.1.1', { answers, expected: 1500, largest }]]);
  assert.equal(said(findings({ paths: path(true, 1400) })), ['path-mtu: ip link set dev eth0 mtu 1400']);
  const { findings: none, unknown } = examine({ paths: path(false, 0) });
  assert.equal(none, []);
  assert.match(unknown.join(), '192.168.1.1');
});

test('clocks are for information, and nothing is wrong for that', () => {
  const found = findings({ clocks: new Map([['192.168.1.1', 90_000]]) });
  assert.equal(
    found.map(({ id, severity }) => `${id} ${severity}`),
    ['clock information'],
  );
  assert.match(found[0]?.what ?? '', '90 s ahead of');
  assert.not(isFaulty(found));
});

test('where everything goes to all servers, somebody has to take out what is for the others', () => {
  const flooded = { dispatch: 'broadcast' } as const;
  assert.equal(
    findings({}, flooded).map(({ id }) => id),
    ['filter-missing'],
  );
  const ruleset = '{"nftables":[{"table":{"family":"inet","name":"oneip"}}]}';
  assert.equal(findings({ ruleset }, flooded), []);
  const dropping = sysctls({ 'net/ipv6/conf/eth0/drop_unicast_in_l2_multicast': 1 });
  assert.equal(said(findings({ ruleset, sysctls: dropping }, flooded)), [
    'group-frames: sysctl -w net.ipv6.conf.eth0.drop_unicast_in_l2_multicast=0',
  ]);
});

test('a firewall that keeps the router from being heard', () => {
  const ruleset = JSON.stringify({ nftables: closedTo('eth0') });
  const heard = (rules: string, key?: string) => {
    const web = service(1, { dispatch: 'broadcast' });
    const [server] = web.servers;
    if (!server) throw new Error('no server');
    const { findings: all } = examineServer(
      { server, services: [web] },
      seen({ ruleset: rules }),
      configured(web, key),
    );
    return said(all).filter((each) => each.startsWith('channel'));
  };
  const mend = 'nft insert rule inet fw4 input position 9 iifname eth0 udp dport 28521 accept';
  assert.equal(heard(ruleset, 'a-secret-of-some-length'), [`channel-dropped: ${mend}`]);
  assert.equal(heard(ruleset), [], 'there is nothing to hear');
  assert.equal(heard(JSON.stringify({ nftables: closedTo('eth1') }), 'a-secret-of-some-length'), []);
});

test('without nft it is said that the firewall was not looked at', () => {
  const { ruleset, ...rest } = seen();
  assert.ok(ruleset);
  const web = service(1);
  const [server] = web.servers;
  if (!server) throw new Error('no server');
  const { unknown } = examineServer({ server, services: [web] }, rest, configured(web));
  assert.match(unknown.join(), 'firewall');
});

test('the worst comes first, and the same is said once, as the worse of both', () => {
  const finding = (what: string, severity: Finding['severity']): Finding => ({ id: 'x', severity, what, why: '' });
  const sorted = sortFindings([finding('a', 'warning'), finding('b', 'information'), finding('a', 'error')]);
  assert.equal(
    sorted.map(({ what, severity }) => `${what} ${severity}`),
    ['a error', 'b information'],
  );
});

test.run();
