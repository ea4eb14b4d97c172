import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EgressFollower, MISTRUST } from '../../src/egress/follower.ts';
import type { BridgeLink } from '../../src/netlink/bridge.ts';
import { egressKey } from '../../src/egress/egress.ts';
import type { ForwardingEntry } from '../../src/netlink/forwarding.ts';
import type { Neighbour } from '../../src/netlink/neighbour.ts';
import { address } from './support/deployments.ts';

const works = { up: true, carrier: true, mtu: 1500, filtersVlans: false, forwards: false };
const bridge: BridgeLink = { ...works, ifindex: 1, name: 'br', kind: 'bridge' };
const other: BridgeLink = { ...works, ifindex: 2, name: 'br2', kind: 'bridge' };
const port = (ifindex: number, changes: Partial<BridgeLink> = {}): BridgeLink => ({
  ...works,
  ...{ ifindex, name: `p${ifindex}`, masterIndex: 1, forwards: true },
  ...changes,
});
const server = { ifindex: 1, address: address('192.168.1.11') };
const MAC = '02:00:00:00:01:01';
const known: Neighbour = {
  ...{ family: 4, ...server, hardware: MAC, valid: true, failed: false, doubted: false, permanent: false },
  ...{ proxy: false, managed: true, externallyLearned: true, protocol: 111 },
};
const behind = (number: number, changes: Partial<ForwardingEntry> = {}): ForwardingEntry => ({
  ...{ bridge: 1, port: number, hardware: MAC, local: false },
  ...changes,
});

let follower: EgressFollower;

test.before.each(() => {
  follower = new EgressFollower();
  follower.follow([server]);
  follower.reset([bridge, other, port(3), port(4), port(5, { masterIndex: 2 })], [behind(3)], [known], 0);
});

/** Where packets leave: the port's name, or why they do not. */
function way(now = 0): string {
  const egress = follower.egresses(now).get(egressKey(server, server.address));
  assert.is(follower.doubt(server, now) === undefined, egress !== undefined);
  return egress?.port.name ?? follower.doubt(server, now) ?? '';
}

test('a server whose port is known from the start leaves by it, in frames to its MAC address', () => {
  const expected = new Map([[egressKey(server, server.address), { port: { name: 'p3', ifindex: 3 }, hardware: MAC }]]);
  assert.equal(follower.egresses(0), expected);
  assert.is(follower.egresses(0), follower.egresses(1), 'the same object while nothing changes');
  assert.is(follower.next(0), Infinity);
});

const mended: readonly [name: string, doubt: string, break_: () => void, mend: () => void][] = [
  ['a port that is down', 'p3 is down', () => link(port(3, { up: false })), () => link(port(3))],
  ['a port without carrier', 'p3 is down', () => link(port(3, { carrier: false })), () => link(port(3))],
  ['a port with a smaller MTU', 'p3 has a smaller MTU', () => link(port(3, { mtu: 1400 })), () => link(port(3))],
  ['a bridge with a larger MTU', 'p3 has a smaller MTU', () => link({ ...bridge, mtu: 9000 }), () => link(bridge)],
  ['a port that blocks', 'p3 does not forward', () => state(3, false), () => state(3, true)],
  [
    'such a port, told with its link',
    'p3 does not forward',
    () => link(port(3, { forwards: false })),
    () => state(3, true),
  ],
  [
    'a bridge that filters VLANs',
    'br filters VLANs',
    () => link({ ...bridge, filtersVlans: true }),
    () => link(bridge),
  ],
  ['a bridge that is down', 'br is down', () => link({ ...bridge, up: false }), () => link(bridge)],
  ['a device that is no bridge', 'not on a bridge', () => link({ ...bridge, kind: 'vlan' }), () => link(bridge)],
  ['a port of another bridge', 'its port has left br', () => link(port(3, { masterIndex: 2 })), () => link(port(3))],
  ['a port that is gone', 'its port has left br', () => follower.link(port(3), true), () => link(port(3))],
  [
    'a MAC address that is not known',
    'its MAC address is not known',
    () => neighbour({ valid: false }),
    () => neighbour({}),
  ],
  [
    'a neighbour that is gone',
    'its MAC address is not known',
    () => follower.neighbour(known, true),
    () => neighbour({}),
  ],
];

function link(changed: BridgeLink): void {
  follower.link(changed, false);
}

function state(ifindex: number, forwards: boolean): void {
  follower.port({ ifindex, bridge: 1, forwards }, false);
}

function neighbour(changes: Partial<Neighbour>): void {
  const { hardware = MAC, ...rest } = { ...known, ...changes };
  follower.neighbour(rest.valid ? { ...rest, hardware } : rest, false);
}

for (const [name, doubt, break_, mend] of mended) {
  test(`${name}: the bridge decides, until it is mended`, () => {
    break_();
    assert.is(way(), doubt);
    mend();
    assert.is(way(), 'p3');
  });
}

test('a port that has left the bridge, as the bridge tells first and the link afterwards', () => {
  follower.port({ ifindex: 3, bridge: 1, forwards: false }, true);
  assert.is(way(), 'p3 does not forward');
  const { masterIndex, ...left } = port(3);
  assert.is(masterIndex, 1);
  link(left);
  assert.is(way(), 'its port has left br');
  follower.port({ ifindex: 3, bridge: 1, forwards: true }, false);
  assert.is(way(), 'its port has left br', 'the link’s own message says when it is back');
  link(port(3));
  assert.is(way(), 'p3');
});

test('a server that moves is left to the bridge until its place has stood for a while', () => {
  follower.forwarding(behind(4), false, 1000);
  assert.is(way(1000), 'its port has changed lately');
  assert.is(follower.next(1000), 1000 + MISTRUST);
  assert.is(way(999 + MISTRUST), 'its port has changed lately');
  assert.is(way(1000 + MISTRUST), 'p4');
  assert.is(follower.next(1000 + MISTRUST), Infinity);
});

test('a server that goes to and fro is never trusted', () => {
  for (let now = 0; now < 3 * MISTRUST; now += MISTRUST / 2) {
    follower.forwarding(behind(now % MISTRUST === 0 ? 4 : 3), false, now);
    assert.is(way(now), 'its port has changed lately');
  }
});

test('one that is forgotten, by age or a flush, likewise from when it is seen again', () => {
  follower.forwarding(behind(3), true, 1000);
  assert.is(way(1000), 'br has not learned its port');
  assert.is(follower.next(1000), Infinity);
  follower.forwarding(behind(3), false, 60_000);
  assert.is(way(60_000), 'its port has changed lately');
  assert.is(way(60_000 + MISTRUST), 'p3');
});

test('what repeats what is known changes nothing', () => {
  follower.forwarding(behind(3), false, 5000);
  neighbour({ doubted: true });
  assert.is(way(5000), 'p3');
});

test('an address of the bridge itself is no server', () => {
  follower.forwarding(behind(3, { local: true }), false, 0);
  assert.is(way(), 'br has not learned its port');
  const fresh = new EgressFollower();
  fresh.follow([server]);
  fresh.reset([bridge, port(3)], [behind(3, { local: true })], [known], 0);
  assert.is(fresh.egresses(0).size, 0);
});

test('places in a VLAN, and those of other bridges, say nothing', () => {
  follower.forwarding(behind(4, { vlan: 1 }), false, 0);
  follower.forwarding(behind(3, { vlan: 1 }), true, 0);
  follower.forwarding(behind(5, { bridge: 2 }), false, 0);
  assert.is(way(), 'p3');
});

test('another MAC address is looked for by itself, and trusted where nothing speaks against it', () => {
  const hardware = '02:00:00:00:09:09';
  follower.forwarding(behind(4, { hardware }), false, 100);
  neighbour({ hardware });
  assert.is(way(100), 'p4');
  assert.is(follower.egresses(100).get(egressKey(server, server.address))?.hardware, hardware);
  neighbour({ hardware: '02:00:00:00:09:0a' });
  assert.is(way(100), 'br has not learned its port');
});

test('entries that the router answers for, or of others, are not the server', () => {
  follower.neighbour({ ...known, proxy: true, valid: false }, false);
  follower.neighbour({ ...known, ifindex: 2, hardware: '02:00:00:00:09:09' }, false);
  assert.is(way(), 'p3');
});

test('when everything is read again, what differs has changed now', () => {
  const links = [bridge, port(3), port(4)];
  follower.reset(links, [behind(3)], [known], 1000);
  assert.is(way(1000), 'p3');
  follower.reset(links, [behind(4)], [known], 2000);
  assert.is(way(2000), 'its port has changed lately');
  follower.reset(links, [behind(4)], [known], 2000 + MISTRUST);
  assert.is(way(2000 + MISTRUST), 'p4');
  follower.reset(links, [], [known], 90_000);
  assert.is(way(90_000), 'br has not learned its port');
  follower.reset(links, [behind(4)], [known], 100_000);
  assert.is(way(100_000), 'its port has changed lately');
});

test('a way that the kernel does not take is not named again, but another one is', () => {
  assert.is(way(), 'p3');
  follower.refuse(server);
  assert.is(way(), 'the kernel does not take p3');
  neighbour({});
  assert.is(way(), 'the kernel does not take p3');
  follower.forwarding(behind(4), false, 0);
  assert.is(way(MISTRUST), 'p4');
});

test('hosts that are no longer followed have no way', () => {
  follower.follow([]);
  assert.is(follower.egresses(0).size, 0);
});

test.run();
