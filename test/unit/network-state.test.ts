import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAddress } from '../../src/net/address.ts';
import type { Address } from '../../src/net/address.ts';
import { describeNetworkChange } from '../../src/network/describe.ts';
import { diffNetworkState, isRemoval } from '../../src/network/diff.ts';
import { parseListeners } from '../../src/network/listeners.ts';
import { EMPTY_NETWORK, type NetworkState, type RuleEntry } from '../../src/network/state.ts';
import {
  type Undo,
  decodeUndo,
  encodeUndo,
  forgetSysctl,
  originalSysctls,
  recordAdopted,
  recordSysctl,
  wasAdopted,
} from '../../src/network/undo.ts';

const device = { name: 'br-lan', ifindex: 2 };
const server = address('192.168.1.11');
const ghost = address('192.0.2.7');
const first: RuleEntry = { family: 4, priority: 0, mark: 0x1001, mask: 0xffffffff, table: 1001 };
const second: RuleEntry = { family: 4, priority: 0, mark: 0x1002, mask: 0xffffffff, table: 1002 };
const wanted: NetworkState = {
  routes: [
    { family: 4, table: 254, destination: { address: ghost, length: 32 }, device },
    { family: 4, table: 1001, destination: 'default', via: server, onlink: true, device },
    { family: 6, table: 1002, destination: 'default', type: 'blackhole' },
  ],
  rules: [first, { family: 6, priority: 100, mark: 0x1000, mask: 0xf000, table: 1002 }],
  neighbours: [
    { family: 4, address: server, device, kind: 'managed' },
    { family: 6, address: address('2001:db8::7'), device, kind: 'proxy' },
  ],
  sysctls: [{ key: 'net/ipv4/conf/br-lan/accept_local', value: '1' }],
};
const bare: NetworkState = { ...EMPTY_NETWORK, sysctls: [{ key: 'net/ipv4/conf/br-lan/accept_local', value: '0' }] };

test('what is led to comes before what leads there', () => {
  assert.equal(diffNetworkState(bare, wanted).map(describeNetworkChange), [
    'sysctl -w net/ipv4/conf/br-lan/accept_local=1  # was 0',
    'ip neigh add 192.168.1.11 dev br-lan managed',
    'ip -6 neigh add proxy 2001:db8::7 dev br-lan',
    'ip route add 192.0.2.7/32 dev br-lan table main',
    'ip route add default via 192.168.1.11 dev br-lan onlink table 1001',
    'ip -6 route add blackhole default table 1002',
    'ip rule add pref 0 fwmark 0x1001 lookup 1001',
    'ip -6 rule add pref 100 fwmark 0x1000/0xf000 lookup 1002',
    'ip rule add pref 0 lookup local; ip rule del pref 0 lookup local  # behind ours',
  ]);
});

test('what is taken away goes the other way round, sysctls last', () => {
  const originals = [{ key: 'net/ipv4/conf/br-lan/accept_local', value: '0' }];
  const changes = diffNetworkState(wanted, EMPTY_NETWORK, originals);
  assert.equal(
    changes.map(({ kind }) => kind),
    ['rule', 'rule', 'route', 'route', 'route', 'neighbour', 'neighbour', 'sysctl'],
  );
  assert.ok(changes.every(isRemoval));
  assert.is(
    describeNetworkChange(changes[7] ?? { kind: 'local-rule', family: 4 }),
    'sysctl -w net/ipv4/conf/br-lan/accept_local=0  # as it was before us; now 1',
  );
});

test('without a difference there is no change', () => {
  assert.equal(diffNetworkState(wanted, wanted), []);
  const reversed = { ...wanted, routes: [...wanted.routes].reverse(), rules: [...wanted.rules].reverse() };
  assert.equal(diffNetworkState(wanted, reversed), []);
});

test('a wanted sysctl is not given back, one that is absent is left alone', () => {
  const originals = [{ key: 'net/ipv4/conf/br-lan/accept_local', value: '0' }];
  assert.equal(diffNetworkState(wanted, wanted, originals), []);
  assert.equal(diffNetworkState({ ...wanted, sysctls: [] }, wanted), []);
});

test('a route that leads elsewhere is replaced, never deleted first', () => {
  const other = { ...wanted, routes: wanted.routes.map((route) => ({ ...route, ...(route.via && { via: ghost }) })) };
  const changes = diffNetworkState(wanted, other);
  assert.equal(changes.map(describeNetworkChange), [
    'ip route replace default via 192.0.2.7 dev br-lan onlink table 1001',
  ]);
  assert.not(changes.some(isRemoval));
});

test('the same device name with another number is another device', () => {
  const moved = { name: 'br-lan', ifindex: 9 };
  const neighbours = wanted.neighbours.map((entry) => ({ ...entry, device: moved }));
  const changes = diffNetworkState(
    { ...EMPTY_NETWORK, neighbours: wanted.neighbours },
    { ...EMPTY_NETWORK, neighbours },
  );
  assert.equal(
    changes.map((change) => 'action' in change && change.action),
    ['add', 'add', 'delete', 'delete'],
  );
});

test('the local rule is moved once, however many of ours are new or stand behind it', () => {
  const both = { ...EMPTY_NETWORK, rules: [first, second] };
  const kinds = (current: NetworkState) => diffNetworkState(current, both).map(({ kind }) => kind);
  assert.equal(kinds(EMPTY_NETWORK), ['rule', 'rule', 'local-rule']);
  assert.equal(kinds({ ...EMPTY_NETWORK, rules: [first] }), ['rule', 'local-rule']);
  assert.equal(kinds({ ...EMPTY_NETWORK, rules: [first, { ...second, behindLocal: true }] }), ['local-rule']);
  assert.equal(kinds(both), []);
});

const KEY = 'net/ipv4/conf/eth0.2/rp_filter';

test('a value of ours never becomes the original one', () => {
  const set = (value: string, before: string) => ({ kind: 'sysctl', action: 'set', key: KEY, value, before }) as const;
  let undo = recordSysctl([], set('0', '1'));
  assert.equal(undo, [{ kind: 'sysctl', key: KEY, original: '1', ours: ['0'] }]);
  undo = recordSysctl(undo, set('2', '0'));
  assert.equal(undo, [{ kind: 'sysctl', key: KEY, original: '1', ours: ['0', '2'] }]);
  // A crash between the journal and the second write leaves the first value in force.
  undo = recordSysctl(undo, set('2', '0'));
  assert.equal(undo, [{ kind: 'sysctl', key: KEY, original: '1', ours: ['0', '2'] }]);
  assert.equal(originalSysctls(undo, [{ key: KEY, value: '2' }]), [{ key: KEY, value: '1' }]);
  assert.equal(forgetSysctl(undo, KEY), []);
});

test('what somebody else has written meanwhile is the original value now, and stays', () => {
  const undo: Undo[] = [{ kind: 'sysctl', key: KEY, original: '1', ours: ['0'] }];
  assert.equal(originalSysctls(undo, [{ key: KEY, value: '2' }]), []);
  assert.equal(originalSysctls(undo, []), []);
  assert.equal(recordSysctl(undo, { kind: 'sysctl', action: 'set', key: KEY, value: '0', before: '2' }), [
    { kind: 'sysctl', key: KEY, original: '2', ours: ['0'] },
  ]);
});

test('the journal reads what it wrote', () => {
  const undo = recordAdopted([{ kind: 'sysctl', key: KEY, original: '1', ours: ['0'] }], server, 2);
  const read = decodeUndo(encodeUndo(undo));
  assert.equal(read, undo);
  assert.ok(wasAdopted(read, server, 2));
  assert.not(wasAdopted(read, server, 3));
  assert.not(wasAdopted(read, ghost, 2));
});

test('a journal that is damaged is refused', () => {
  for (const text of [
    '',
    '{"version":1,"undo":[{"kind":"sysctl"',
    'null',
    '[]',
    '{"version":2,"undo":[]}',
    '{"version":1}',
    '{"version":1,"undo":[null]}',
    '{"version":1,"undo":[{"kind":"sysctl","key":"a","original":"1","ours":[1]}]}',
    '{"version":1,"undo":[{"kind":"adopted","address":"1.2.3","ifindex":2}]}',
    '{"version":1,"undo":[{"kind":"other"}]}',
  ]) {
    assert.throws(() => decodeUndo(text), Error, text);
  }
});

const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0000 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12346 1 0000 100 0 0 10 0
   2: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 12347 1 0000 20 4 30 10 -1
`;
const UDP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
  119: 000009FD000000000000000001000000:0035 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000
  120: 00000000000000000000000000000000:0223 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000
  121: 0000000000000000FFFF00000100007F:0043 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000
  122: 000009FD000000000000000001000000:0035 000009FD000000000000000002000000:0035 01 00000000:00000000 00:00000000
`;

test('listening sockets and their addresses, not connections', () => {
  assert.equal(parseListeners(TCP, 'tcp', true), [
    { protocol: 'tcp', address: address('127.0.0.1'), port: 8080 },
    { protocol: 'tcp', address: 'any', port: 22 },
  ]);
  assert.equal(parseListeners(UDP6, 'udp', true), [
    { protocol: 'udp', address: address('fd09::1'), port: 53 },
    { protocol: 'udp', address: 'any', port: 547 },
    { protocol: 'udp', address: address('127.0.0.1'), port: 67 },
  ]);
});

test('a big-endian machine prints addresses as they are written', () => {
  assert.equal(parseListeners(TCP.replace('0100007F:1F90', '7F000001:1F90'), 'tcp', false)[0], {
    protocol: 'tcp',
    address: address('127.0.0.1'),
    port: 8080,
  });
  const udp6 = UDP6.replace('000009FD000000000000000001000000', 'FD090000000000000000000000000001');
  assert.equal(parseListeners(udp6, 'udp', false)[0], { protocol: 'udp', address: address('fd09::1'), port: 53 });
});

function address(text: string): Address {
  const parsed = parseAddress(text);
  if (!parsed) throw new Error(text);
  return parsed;
}

test.run();
