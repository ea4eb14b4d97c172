import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Service } from '../../src/config/model.ts';
import { claimsOf } from '../../src/deployment/deployment.ts';
import {
  claimKey,
  floodHardware,
  floodLeader,
  groupHardware,
  planFloods,
  serviceGroup,
} from '../../src/deployment/flood.ts';
import { parsePrefix, prefixHolds } from '../../src/net/address.ts';
import type { Prefix } from '../../src/net/address.ts';
import { address, deployment, environment, service } from './support/deployments.ts';

const NOBODY = new Set<string>();
const ghosts = [address('198.51.100.1'), address('2001:db8:100::1')];

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed) throw new Error(`'${text}' is no prefix`);
  return parsed;
}

function flooded(name: string, changes: Partial<Service> = {}): Service {
  return service(2, { name, ghosts, dispatch: 'broadcast', ...changes });
}

test('groups: of a scope that stays at home, and their MAC addresses as the RFCs have them', () => {
  assert.is(groupHardware(address('239.255.1.2')), '01:00:5e:7f:01:02');
  assert.is(groupHardware(address('224.0.0.251')), '01:00:5e:00:00:fb');
  assert.is(groupHardware(address('ff12::8000:1234')), '33:33:80:00:12:34');
  const names = Array.from({ length: 500 }, (_, index) => `service${index}`);
  for (const name of names) {
    assert.ok(prefixHolds(prefix('239.255.0.0/16'), serviceGroup({ name }, 4)));
    assert.ok(prefixHolds(prefix('ff12::8000:0/97'), serviceGroup({ name }, 6)));
  }
  const different = new Set(names.map((name) => serviceGroup({ name }, 6).text));
  assert.is(different.size, names.length);
});

test('IPv4 goes to everybody or to the group, IPv6 to a group either way', () => {
  const hardware = (dispatch: 'broadcast' | 'multicast') =>
    ([4, 6] as const).map((family) => floodHardware({ name: 'web', dispatch }, family));
  assert.equal(hardware('broadcast'), ['ff:ff:ff:ff:ff:ff', '33:33:00:00:00:01']);
  assert.equal(
    hardware('multicast'),
    ([4, 6] as const).map((family) => groupHardware(serviceGroup({ name: 'web' }, family))),
  );
});

test("a second ghost address is of the servers' subnet, the same at every start, and nobody's", () => {
  const seen = new Set<string>();
  for (let index = 0; index < 300; index++) {
    const web = flooded(`service${index}`);
    const floods = planFloods([web], environment(), NOBODY);
    const [via4, via6] = ghosts.map(({ text }) => floods.get(text)?.via);
    assert.ok(via4 && via6);
    assert.ok(prefixHolds(prefix('192.168.1.0/24'), via4), via4.text);
    assert.ok(prefixHolds(prefix('fd00:1::/64'), via6), via6.text);
    assert.not(['192.168.1.0', '192.168.1.255', '192.168.1.1', '192.168.1.11', '192.168.1.12'].includes(via4.text));
    const again = planFloods([web], environment(), NOBODY);
    assert.equal([...again], [...floods]);
    seen.add(via4.text);
  }
  assert.ok(seen.size > 100, `${seen.size} different ones of 254`);
});

test('where somebody has it another one is taken; in a full subnet, one of none', () => {
  const web = flooded('web', { ghosts: ghosts.slice(0, 1) });
  const occupied = new Set<string>();
  const taken: string[] = [];
  for (let turn = 0; turn < 252; turn++) {
    const via = planFloods([web], environment(), occupied).get('198.51.100.1')?.via;
    assert.ok(via);
    taken.push(via.text);
    occupied.add(claimKey('br-lan', via));
  }
  assert.is(new Set(taken).size, taken.length);
  // 254 hosts, without the router and two servers, are 251.
  const inside = taken.filter((text) => text.startsWith('192.168.1.'));
  assert.is(inside.length, 251);
  assert.match(taken.at(-1) ?? '', /^169\.254\./);
});

test('what is configured is taken as it is, and not asked for', () => {
  const web = flooded('web', { ghost2: [address('192.168.1.250')] });
  const floods = planFloods([web], environment(), new Set([claimKey('br-lan', address('192.168.1.250'))]));
  assert.is(floods.get('198.51.100.1')?.via.text, '192.168.1.250');
  assert.equal(
    claimsOf(deployment([web])).map(({ device, address: { family } }) => [device.name, family]),
    [['br-lan', 6]],
  );
  assert.equal(claimsOf(deployment([service(2)])), []);
});

test('a ghost has one way, that of the first service; services of a kind have ways of their own', () => {
  const first = flooded('web', { dispatch: 'multicast' });
  const second = flooded('tls', { dispatch: 'multicast', ghosts: [...ghosts, address('198.51.100.2')] });
  const routed = service(2, { name: 'ssh', ghosts });
  const services = [routed, first, second];
  assert.is(floodLeader(services, address('198.51.100.1'))?.name, 'web');
  assert.is(floodLeader([routed], address('198.51.100.1')), undefined);
  const { services: deployed } = deployment(services);
  const ways = deployed.map(({ ghosts: own }) => own.map(({ flood }) => flood?.hardware));
  assert.equal(ways[0], [undefined, undefined]);
  assert.equal(ways[2]?.slice(0, 2), ways[1]);
  assert.is(ways[2]?.[2], floodHardware(second, 4));
  const addresses = deployed.flatMap(({ ghosts: own }) => own.flatMap(({ flood }) => flood?.via.text ?? []));
  assert.is(new Set(addresses).size, 3);
});

test('no way without a device, or without Ethernet addresses on it; without a subnet, by an address of the link', () => {
  const around = environment();
  const elsewhere = { ...around, links: new Map([...around.links].filter(([name]) => name !== 'br-lan')) };
  assert.is(planFloods([flooded('web')], elsewhere, NOBODY).size, 0);
  const bare = new Map(around.links).set('br-lan', { name: 'br-lan', ifindex: 3, mtu: 1500, up: true });
  assert.is(planFloods([flooded('web')], { ...around, links: bare }, NOBODY).size, 0);
  const floods = planFloods([flooded('web')], { ...around, addresses: [] }, NOBODY);
  assert.match(floods.get('198.51.100.1')?.via.text ?? '', /^169\.254\./);
  assert.match(floods.get('2001:db8:100::1')?.via.text ?? '', /^fe80::/);
});

test.run();
