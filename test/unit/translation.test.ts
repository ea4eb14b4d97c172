import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NOBODY } from '../../src/allocation/table.ts';
import { interleave } from '../../src/allocation/interleave.ts';
import type { Service } from '../../src/config/model.ts';
import { connectionsTo, isAmong } from '../../src/deployment/translation.ts';
import { slotTables } from '../../src/deployment/slot-tables.ts';
import type { Fleet, Squad } from '../../src/membership/fleet.ts';
import { lostServers } from '../../src/membership/lost.ts';
import { decide, members, standing } from '../../src/membership/members.ts';
import { NO_ORDERS } from '../../src/membership/orders.ts';
import { decodeTracked, encodeTrackedDeletion, encodeTrackedQuestion, isTracked } from '../../src/netlink/conntrack.ts';
import type { NetlinkMessage } from '../../src/netlink/message.ts';
import { PayloadWriter, decodeAttributes } from '../../src/netlink/message.ts';
import type { Tuple } from '../../src/netlink/conntrack.ts';
import { wantedNetwork } from '../../src/network/wanted.ts';
import { parseClient, simulate } from '../../src/simulate/simulate.ts';
import { trackedSentences } from '../../src/simulate/translation.ts';
import { planProbes } from '../../src/watchdog/plan.ts';
import { address, deployment, environment, service } from './support/deployments.ts';

const translated = (count: number, changes: Partial<Service> = {}): Service =>
  service(count, { dispatch: 'nat', translation: { scheduler: 'hash', masquerade: false }, ...changes });

test('in turns each owner has as many entries as before, as evenly apart as can be', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 }), (counts) => {
      const table = Uint16Array.from(counts.flatMap((count, owner) => Array<number>(count).fill(owner)));
      const turns = interleave(table);
      assert.equal(
        [...turns].sort((a, b) => a - b),
        [...table],
      );
      for (const [owner, count] of counts.entries()) {
        const places = [...turns.keys()].filter((index) => turns[index] === owner);
        const gaps = places.map((place, index) => (places[index + 1] ?? (places[0] ?? 0) + table.length) - place);
        // Each other owner may stand before its time by less than one turn, and behind it likewise.
        for (const gap of gaps) {
          assert.ok(Math.abs(gap - table.length / count) <= counts.length, `${gap} for ${count} of ${table.length}`);
        }
      }
    }),
  );
  assert.equal([...interleave(Uint16Array.of(0, 0, 0, 1, 1, 1))], [0, 1, 0, 1, 0, 1]);
  assert.equal([...interleave(Uint16Array.of(NOBODY, NOBODY))], [NOBODY, NOBODY]);
});

test('the slots of a service in turns have the shares of the hash, and nobody twice in a row who need not be', () => {
  const turns = { scheduler: 'round_robin', masquerade: false } as const;
  const [hash, inTurn] = [translated(3), translated(3, { translation: turns })].map((one) => slotTables(one)[4]);
  assert.ok(hash && inTurn);
  assert.equal([...inTurn].sort(), [...hash].sort());
  assert.not.ok(inTurn.some((owner, slot) => slot > 0 && owner === inTurn[slot - 1]));
});

/** An entry as the kernel tells it; `sport`, `dport` in network order. */
function entry(original: Tuple, reply: Tuple, littleEndian: boolean): NetlinkMessage {
  const writer = new PayloadWriter(littleEndian).bytes([original.source.family === 4 ? 2 : 10, 0, 0, 0]);
  for (const [type, tuple] of [
    [1, original],
    [2, reply],
  ] as const) {
    const types = tuple.source.family === 4 ? [1, 2] : [3, 4];
    writer.nest(type, (nest) => {
      nest.nest(1, (ip) =>
        ip.attribute(types[0] ?? 0, tuple.source.bytes).attribute(types[1] ?? 0, tuple.destination.bytes),
      );
      nest.nest(2, (proto) => {
        proto.attributeU8(1, tuple.protocol);
        for (const [kind, port] of [
          [2, tuple.sourcePort],
          [3, tuple.destinationPort],
        ] as const) {
          if (port !== undefined) proto.attribute(kind, [port >> 8, port & 0xff]);
        }
      });
    });
  }
  writer.attribute(12, [1, 2, 3, 4]);
  return { type: 0x100, flags: 0, sequence: 1, port: 0, payload: writer.finish() };
}

const tuple = (source: string, sourcePort: number, destination: string, destinationPort: number, protocol = 6) => ({
  ...{ source: address(source), destination: address(destination), protocol },
  ...{ sourcePort, destinationPort },
});

test('entries are read as they are written, and named to the kernel by their first tuple and their number', () => {
  for (const littleEndian of [true, false]) {
    for (const [client, ghost, server] of [
      ['203.0.113.7', '198.51.100.1', '192.168.1.11'],
      ['2001:db8:4::7', '2001:db8:100::1', 'fd00:1::11'],
    ] as const) {
      const original = tuple(client, 40000, ghost, 80);
      const ends = { destination: address(ghost), answering: address(server) };
      const reply = tuple(server, 8080, client, 40000);
      const message = entry(original, reply, littleEndian);
      const found = decodeTracked(message, littleEndian);
      assert.ok(found);
      assert.equal([found.original, found.reply], [original, reply]);
      const question = decodeAttributes(encodeTrackedQuestion(original, littleEndian), 4, littleEndian);
      const deletion = decodeAttributes(encodeTrackedDeletion(found, littleEndian), 4, littleEndian);
      // Without a tuple the kernel would forget all connections.
      assert.equal(deletion.bytes(1), question.bytes(1));
      assert.equal([...(deletion.bytes(12) ?? [])], [1, 2, 3, 4]);
      assert.ok(isTracked(message, [ends], littleEndian));
      assert.not.ok(isTracked(message, [{ destination: ends.answering, answering: ends.destination }], littleEndian));
      for (let length = 0; length < message.payload.length; length++) {
        const cut = { ...message, payload: message.payload.slice(0, length) };
        decodeTracked(cut, littleEndian);
        isTracked(cut, [ends], littleEndian);
      }
    }
  }
});

test('only connections of the service and the server are among those', () => {
  const web = translated(2, { protocols: ['tcp'], ports: [{ first: 80, last: 81 }] });
  const [to] = web.servers.flatMap((server) => connectionsTo(web, server));
  assert.ok(to);
  const is = (original: Tuple, reply: Tuple) => isAmong(to, { family: 4, original, reply, identity: new Uint8Array() });
  const client = '203.0.113.7';
  assert.ok(is(tuple(client, 1, '198.51.100.1', 81), tuple('192.168.1.11', 8080, client, 1)));
  assert.not.ok(is(tuple(client, 1, '198.51.100.1', 82), tuple('192.168.1.11', 82, client, 1)), 'another port');
  assert.not.ok(is(tuple(client, 1, '198.51.100.1', 80), tuple('192.168.1.12', 80, client, 1)), 'another server');
  assert.not.ok(is(tuple(client, 1, '198.51.100.2', 80), tuple('192.168.1.11', 80, client, 1)), 'another ghost');
  assert.not.ok(is(tuple(client, 1, '198.51.100.1', 80, 17), tuple('192.168.1.11', 80, client, 1, 17)), 'UDP');
  const routed = service(2);
  assert.equal(
    routed.servers.flatMap((server) => connectionsTo(routed, server)),
    [],
  );
});

/** A fleet of one service in which these servers are down. */
function fleet(one: Service, down: readonly string[]): Fleet {
  const roster = { service: one, leaving: new Set<string>(), added: new Set<string>() };
  const decisions = decide(roster, NO_ORDERS, (server) => ({ up: !down.includes(server), reason: 'told' }));
  const stand = standing(roster, decisions);
  const squad: Squad = {
    ...{ roster, standing: stand, tables: slotTables(one, stand) },
    members: members(decisions, () => false, [], 0),
  };
  return new Map([[one.name, squad]]);
}

test('connections are lost with a server that dies, once, and not while it has to serve all the same', () => {
  const lost = (before: Fleet, after: Fleet) => lostServers(before, after).map(({ server }) => server.name);
  const web = translated(3);
  const [all, one, none] = [fleet(web, []), fleet(web, ['web2']), fleet(web, ['web1', 'web2', 'web3'])];
  assert.equal(new Set(lost(all, one)), new Set(['web2']));
  assert.equal(lost(one, one), []);
  assert.equal(lost(one, all), []);
  assert.equal(lost(one, none), [], 'all are served as if all were up');
  assert.equal(new Set(lost(none, one)), new Set(['web2']));
  const strict = translated(3, { allDown: 'reject' });
  assert.equal(
    new Set(lost(fleet(strict, ['web2']), fleet(strict, ['web1', 'web2', 'web3']))),
    new Set(['web1', 'web3']),
  );
  assert.equal(lost(fleet(service(3), []), fleet(service(3), ['web2'])), [], 'others are not tracked');
});

test('servers need neither routes nor rules; neighbours are kept as such', () => {
  const web = translated(2);
  const far = { name: 'far', address: address('10.9.8.7'), weight: 100 };
  const { routes, rules, neighbours } = wantedNetwork(
    deployment([{ ...web, servers: [...web.servers, far] }], environment()),
  );
  assert.equal(rules, []);
  assert.equal(
    routes.map(({ destination }) => (destination === 'default' ? destination : destination.address.text)),
    ['198.51.100.1', '2001:db8:100::1'],
  );
  assert.equal(neighbours.map(({ address: { text }, kind }) => `${kind} ${text}`).sort(), [
    'managed 192.168.1.11',
    'managed 192.168.1.12',
    'managed fd00:1::11',
    'managed fd00:1::12',
  ]);
});

test('servers are asked as themselves, at their own port', () => {
  const web = translated(1);
  const servers = web.servers.map((server) => ({ ...server, port: 8080 }));
  const { services } = deployment([{ ...web, servers }], environment());
  const watchdog = (check: Parameters<typeof planProbes>[1][number]['check']) => ({
    ...{ name: 'dog', check, interval: 1000, timeout: 1000, rise: 1, fall: 1, services: [], servers: [], halfLife: 0 },
  });
  const asked = (check: Parameters<typeof watchdog>[0], of = services) =>
    planProbes(of, [watchdog(check)], 1).probes.map(({ target }) => `${target.ghost.text} ${target.port ?? ''}`);
  assert.equal(asked({ type: 'tcp' }), ['192.168.1.11 8080', 'fd00:1::11 8080']);
  assert.equal(asked({ type: 'tcp', port: 22 }), ['192.168.1.11 22', 'fd00:1::11 22']);
  assert.equal(asked({ type: 'ping' }), ['192.168.1.11 ', 'fd00:1::11 ']);
  assert.equal(asked({ type: 'script', path: '/bin/true' }), ['198.51.100.1 8080', '2001:db8:100::1 8080']);
  assert.equal(asked({ type: 'report' }), []);
  const waiting = deployment([{ ...web, servers, ghosts: [], ghostInterfaces: ['wan'] }], environment()).services;
  assert.equal(asked({ type: 'tcp' }, waiting), asked({ type: 'tcp' }), 'also while the service waits for an address');
  assert.equal(asked({ type: 'script', path: '/bin/true' }, waiting), ['192.168.1.11 8080', 'fd00:1::11 8080']);
});

test('a simulation says what turns and chance make of anybody, and which connection is known', () => {
  const web = translated(3, { translation: { scheduler: 'random', masquerade: false } });
  const client = parseClient('203.0.113.7:40000');
  assert.ok(client);
  const { server, slot, chances = {}, why } = simulate(web, slotTables(web), client, { littleEndian: true });
  assert.equal([server, slot], [undefined, undefined]);
  assert.equal(Object.keys(chances), ['web1', 'web2', 'web3']);
  assert.ok(Math.abs(Object.values(chances).reduce((sum, share) => sum + share, 0) - 1) < 1e-9);
  assert.match(why.join(), /by chance: web1 33\.\d %/);
  const original = tuple('203.0.113.7', 40000, '198.51.100.1', 80);
  const reply = tuple('192.168.1.12', 80, '203.0.113.7', 40000);
  const lookUp = (asked: Tuple) => {
    assert.equal(asked, original);
    return { family: 4, original, reply, identity: new Uint8Array() } as const;
  };
  assert.equal(trackedSentences(web, client, undefined, lookUp), [
    'tcp from port 40000 to 198.51.100.1 port 80 is a known connection, which stays with web2',
  ]);
  assert.equal(trackedSentences(web, { address: client.address }, undefined, lookUp), []);
  assert.equal(trackedSentences(service(3), client, undefined, lookUp), []);
});

test.run();
