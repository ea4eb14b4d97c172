import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addressFromBytes, maskAddress, parseAddress } from '../../src/net/address.ts';
import type { Address, Family } from '../../src/net/address.ts';
import { decodeAddress, decodeLink } from '../../src/netlink/link.ts';
import {
  decodeNeighbour,
  encodeManaged,
  encodeNeighbourKey,
  encodeProxy,
  encodeUse,
} from '../../src/netlink/neighbour.ts';
import { decodeRoute, encodeRoute, encodeRouteDump } from '../../src/netlink/route.ts';
import type { Route } from '../../src/netlink/route.ts';
import { decodeRule, encodeRule, looksUpLocal } from '../../src/netlink/rule.ts';
import * as recorded from './netlink-recordings.ts';
import { firstMessage, hexOf, messageOf } from './support/netlink.ts';

test('links: kind, MAC, MTU, bridge', () => {
  assert.equal(decodeLink(firstMessage(recorded.LINK_VETH_IN_BRIDGE), true), {
    name: 'v0',
    ifindex: 4,
    mtu: 1492,
    up: true,
    hardware: '02:00:00:00:00:01',
    kind: 'veth',
    masterIndex: 2,
  });
  assert.equal(decodeLink(firstMessage(recorded.LINK_TUN), true), {
    name: 'tun0',
    ifindex: 5,
    mtu: 1500,
    up: false,
    kind: 'tun',
  });
});

test('a device that leaves its bridge has not gone', () => {
  assert.is(decodeLink(firstMessage(recorded.LINK_LEFT_BRIDGE), true), undefined);
});

test('addresses, with and without peer', () => {
  assert.equal(decodeAddress(firstMessage(recorded.ADDRESS4), true), {
    ifindex: 2,
    address: address('10.9.0.1'),
    prefixLength: 24,
  });
  assert.equal(decodeAddress(firstMessage(recorded.ADDRESS4_PEER), true), {
    ifindex: 3,
    address: address('192.0.2.1'),
    prefixLength: 32,
    peer: address('192.0.2.2'),
  });
  assert.equal(decodeAddress(firstMessage(recorded.ADDRESS6), true), {
    ifindex: 2,
    address: address('fd09::1'),
    prefixLength: 64,
  });
});

const ONLINK: Route = {
  family: 4,
  table: 1001,
  destination: 'default',
  type: 'unicast',
  protocol: 111,
  metric: 0,
  ifindex: 2,
  via: address('10.9.0.99'),
  onlink: true,
};

test('routes of ours are read', () => {
  assert.equal(decodeRoute(firstMessage(recorded.ROUTE4_ONLINK), true), ONLINK);
  assert.equal(decodeRoute(firstMessage(recorded.ROUTE4_DEVICE), true), {
    family: 4,
    table: 254,
    destination: { address: address('10.8.0.7'), length: 32 },
    type: 'unicast',
    protocol: 111,
    metric: 5,
    ifindex: 2,
  });
  assert.equal(decodeRoute(firstMessage(recorded.ROUTE6_VIA), true), {
    family: 6,
    table: 254,
    destination: { address: address('fd77::'), length: 64 },
    type: 'unicast',
    protocol: 111,
    metric: 1024,
    ifindex: 2,
    via: address('fd09::99'),
  });
  // IPv6 names `lo` as the device of a blackhole.
  assert.equal(decodeRoute(firstMessage(recorded.ROUTE6_BLACKHOLE), true), {
    family: 6,
    table: 1002,
    destination: 'default',
    type: 'blackhole',
    protocol: 111,
    metric: 1024,
  });
});

test('routes that are never ours are not', () => {
  assert.is(decodeRoute(firstMessage(recorded.ROUTE4_MULTIPATH), true), undefined);
  assert.is(decodeRoute(firstMessage(recorded.ROUTE4_PROHIBIT), true), undefined);
});

test('a route as the kernel wants it, in both byte orders', () => {
  // rtmsg: family, lengths, tos, table 0 (above 255), protocol, scope universe, unicast; flags RTNH_F_ONLINK.
  assert.is(
    hexOf(encodeRoute(ONLINK, true)),
    '02000000006f00010400000008000f00e90300000800040002000000080005000a090063',
  );
  assert.is(
    hexOf(encodeRoute(ONLINK, false)),
    '02000000006f0001000000040008000f000003e90008000400000002000800050a090063',
  );
});

test('a route without next hop has the scope of its link in IPv4', () => {
  const destination = { address: address('10.8.0.7'), length: 32 };
  const bytes = encodeRoute({ family: 4, table: 254, destination, type: 'unicast', protocol: 111, metric: 0 }, true);
  assert.is(hexOf(bytes.subarray(0, 8)), '02200000fe6ffd01');
});

test('routes come back as they were encoded', () => {
  const route = fc
    .record({ bytes: addressBytes, bits: fc.nat(128), table: word, metric: word, ifindex: index, onlink: fc.boolean() })
    .map(({ bytes, bits, onlink, ...rest }): Route => {
      const via = addressFromBytes(bytes);
      const length = bits % (bytes.length * 8 + 1);
      const destination = length === 0 ? 'default' : maskAddress(via, length);
      return {
        ...rest,
        family: via.family,
        destination,
        type: 'unicast',
        protocol: 111,
        via,
        ...(onlink && { onlink }),
      };
    });
  fc.assert(
    fc.property(route, fc.boolean(), (given, littleEndian) => {
      assert.equal(decodeRoute(messageOf(encodeRoute(given, littleEndian)), littleEndian), given);
    }),
  );
});

test('a dump asks by table or by protocol', () => {
  assert.is(hexOf(encodeRouteDump(4, { table: 1001 }, true)), '02000000000000000000000008000f00e9030000');
  assert.is(hexOf(encodeRouteDump(6, { protocol: 111 }, false)), '0a000000006f000000000000');
});

test('rules by mark are read, all others are special', () => {
  const mark = { family: 4, priority: 100, mark: 0x1001, mask: 0xff01, table: 1001, protocol: 111, special: false };
  assert.equal(decodeRule(firstMessage(recorded.RULE4_MARK), true), mark);
  const mark6 = { family: 6, priority: 100, mark: 5, mask: 0xffffffff, table: 200, protocol: 111, special: false };
  assert.equal(decodeRule(firstMessage(recorded.RULE6_MARK), true), mark6);
  for (const name of ['DEVICE', 'SUPPRESS', 'FROM', 'NOT', 'PROHIBIT'] as const) {
    const rule = decodeRule(firstMessage(recorded[`RULE4_${name}`]), true);
    assert.is(rule?.special, true, name);
    assert.is(rule && looksUpLocal(rule), false, name);
  }
});

test('the kernel’s local rule is known, and encoded as it stands', () => {
  const local = decodeRule(firstMessage(recorded.RULE4_LOCAL), true);
  assert.equal(local, { family: 4, priority: 0, mark: 0, mask: 0, table: 255, protocol: 2, special: false });
  assert.ok(local && looksUpLocal(local));
  assert.is(
    hexOf(encodeRule(local, true)),
    '02000000ff000001000000000800060000000000' + '08000f00ff0000000500150002000000',
  );
});

test('rules come back as they were encoded', () => {
  const rule = fc.record(
    {
      family,
      priority: word,
      mark: word,
      mask: fc.integer({ min: 1, max: 0xffffffff }),
      table: word,
      goto: word,
    },
    { requiredKeys: ['family', 'priority', 'mark', 'mask', 'table'] },
  );
  fc.assert(
    fc.property(rule, fc.boolean(), (given, littleEndian) => {
      const decoded = decodeRule(messageOf(encodeRule({ ...given, protocol: 111 }, littleEndian)), littleEndian);
      assert.equal(decoded, { ...given, protocol: 111, special: false });
    }),
  );
});

test('neighbours: who keeps them, and whether packets can be sent', () => {
  const managed = decodeNeighbour(firstMessage(recorded.NEIGHBOUR_MANAGED), true);
  assert.equal(managed, {
    family: 4,
    address: address('10.9.0.2'),
    ifindex: 2,
    valid: false,
    failed: false,
    doubted: false,
    permanent: false,
    proxy: false,
    managed: true,
    externallyLearned: true,
    protocol: 111,
  });
  const permanent = decodeNeighbour(firstMessage(recorded.NEIGHBOUR_PERMANENT), true);
  assert.is(permanent?.hardware, '02:00:00:00:00:03');
  assert.is(permanent?.permanent, true);
  assert.is(permanent?.managed, false);
  const stale = decodeNeighbour(firstMessage(recorded.NEIGHBOUR_STALE), true);
  assert.is(stale?.valid, true);
  assert.is(stale?.permanent, false);
  assert.is(decodeNeighbour(firstMessage(recorded.NEIGHBOUR_NOARP), true)?.permanent, true);
  const proxy = decodeNeighbour(firstMessage(recorded.NEIGHBOUR_PROXY), true);
  assert.is(proxy?.proxy, true);
  assert.is(proxy?.address.text, 'fd09::77');
  assert.is(proxy?.protocol, 111);
});

test('neighbour requests, byte by byte', () => {
  const key = { family: 4, address: address('10.9.0.2'), ifindex: 2 } as const;
  const end = '080001000a090002';
  // ndmsg: family, padding, ifindex, state, flags, type.
  assert.is(hexOf(encodeManaged(key, 111, true)), `020000000200000000001000${end}08000f000100000005000c006f000000`);
  assert.is(hexOf(encodeManaged(key, 0, true)), `020000000200000000001000${end}08000f0001000000`);
  assert.is(hexOf(encodeUse(key, false, true)), `020000000200000000000100${end}`);
  assert.is(hexOf(encodeUse(key, true, true)), `020000000200000000001100${end}`);
  assert.is(hexOf(encodeNeighbourKey(key, true)), `020000000200000000000000${end}`);
  assert.is(hexOf(encodeProxy(key, 111, true)), `020000000200000000000800${end}05000c006f000000`);
  assert.is(hexOf(encodeManaged(key, 0, false)), '020000000000000200001000000800010a0900020008000f00000001');
});

const word = fc.integer({ min: 1, max: 0xffffffff });
const index = fc.integer({ min: 1, max: 0x7fffffff });
const family = fc.constantFrom<Family>(4, 6);
const addressBytes = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
);

function address(text: string): Address {
  const parsed = parseAddress(text);
  if (!parsed) throw new Error(text);
  return parsed;
}

test.run();
