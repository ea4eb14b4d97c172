import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OverflowWatch } from '../../src/daemon/overflow-watch.ts';
import { interleave } from '../../src/allocation/interleave.ts';
import type { Service } from '../../src/config/model.ts';
import { flowsTo } from '../../src/deployment/placement.ts';
import { slotTables } from '../../src/deployment/slot-tables.ts';
import {
  encodeFlowDeletion,
  encodeFlowReturn,
  flowElementKey,
  keepFlows,
  readFlows,
} from '../../src/netlink/flow-elements.ts';
import { PayloadWriter, decodeMessages } from '../../src/netlink/message.ts';
import { slotChange } from '../../src/plan/slot-moves.ts';
import { diffRulesets } from '../../src/plan/ruleset-diff.ts';
import { buildRuleset, differsInElements, withElements } from '../../src/ruleset/build.ts';
import { placedSentences } from '../../src/simulate/placement.ts';
import { parseClient, simulate } from '../../src/simulate/simulate.ts';
import { address, deployment, service } from './support/deployments.ts';

const placed = (count: number, changes: Partial<Service> = {}): Service =>
  service(count, { placement: { scheduler: 'round_robin', limit: 65_535, timeout: 7_200_000 }, ...changes });

test('turns go over the slots in an order in which each server has its even share', () => {
  const [hash, inTurn] = [service(3), placed(3)].map((one) => slotTables(one)[4] ?? new Uint16Array());
  assert.equal(inTurn, interleave(hash ?? new Uint16Array()));
});

test('when slots move, new flows follow, and what is loaded for it stays as it is', () => {
  const before = deployment([placed(3)]);
  const [one] = before.services;
  assert.ok(one?.tables[4]);
  const moved = one.tables[4].map((owner) => (owner === 0 ? 1 : owner));
  const after = { ...before, services: [{ ...one, tables: { 4: moved, 6: moved } }] };
  assert.ok(differsInElements(before, after));
  const [was, is] = [buildRuleset(before), buildRuleset(after)];
  assert.equal(withElements(was, after), is);
  const { moves, emptied } = slotChange(was, is);
  assert.equal(emptied, []);
  const count = one.tables[4].filter((owner) => owner === 0).length;
  const led = moves.map(({ family, set, verdict, more }) => [
    ...[family, set, verdict, more.length],
    ...new Set(more.map(([, chain]) => chain)),
  ]);
  assert.equal(led.sort(), [
    ['inet', 'web/slot', 'goto', count, 'web/to/web2'],
    ['netdev', 'web/slot', 'goto', count, 'web/to/web2'],
    ['netdev', 'web/turn', 'jump', count, 'web/begin/web2'],
  ]);
});

test('flows are remembered in maps that JSON can define, by rules that it need not say', () => {
  const { commands } = diffRulesets({ tables: [] }, buildRuleset(deployment([placed(2)])));
  const text = commands.join('\n');
  assert.match(
    text,
    /"map":\{"family":"netdev","table":"oneip","name":"web\/flow4","type":\[[^\]]+\],"map":"mark","flags":\["timeout"\]\}/,
  );
  assert.not.match(text, /"map":\{"op"/);
  const chains = buildRuleset(deployment([placed(2)])).tables.flatMap((table) => table.chains);
  const record = chains.find(({ name }) => name === 'web/record');
  assert.equal(record?.rules, []);
  assert.equal(
    record?.records?.map(({ kind }) => kind),
    ['remember', 'remember', 'full'],
  );
});

test('another time-out is another rule; another limit another table', () => {
  const of = (changes: Partial<NonNullable<Service['placement']>>) =>
    buildRuleset(
      deployment([placed(2, { placement: { scheduler: 'random', limit: 65_535, timeout: 60_000, ...changes } })]),
    );
  const later = diffRulesets(of({}), of({ timeout: 120_000 }));
  assert.equal(later.summary, ['~ netdev chain web/stay/open (2 rules)']);
  assert.equal(later.commands.length, 1, 'it is emptied, and filled by netlink');
  assert.ok(diffRulesets(of({}), of({ limit: 1024 })).summary.includes('+ table netdev oneip'));
});

test('a server is known by its mark, in services that are placed and only there', () => {
  const both = deployment([placed(2), service(2, { name: 'hashed', ghosts: [address('198.51.100.9')] })]);
  const flows = flowsTo(both, 'web', 'web2');
  assert.equal(flows, { maps: ['web/flow4', 'web/flow6'], mark: (both.markBase + 2) >>> 0 });
  assert.is(flowsTo(both, 'web', 'web9'), undefined);
  assert.is(flowsTo(both, 'hashed', 'web2'), undefined);
  assert.is(flowsTo(undefined, 'web', 'web2'), undefined);
});

const packet = {
  source: address('203.0.113.7'),
  destination: address('198.51.100.1'),
  protocol: 6,
  sourcePort: 40_000,
  destinationPort: 443,
};

test('the key of a flow has each part at the start of a register', () => {
  const hex = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  assert.is(hex(flowElementKey(4, packet)), '06000000cb0071079c400000c633640101bb0000');
  const six = { ...packet, source: address('2001:db8::7'), destination: address('2001:db8::1') };
  assert.is(
    hex(flowElementKey(6, six)),
    '0600000020010db80000000000000000000000079c40000020010db800000000000000000000000101bb0000',
  );
});

/** A piece of a dump: flows with their mark, and their time, first and left, in milliseconds. */
function piece(
  littleEndian: boolean,
  flows: readonly (readonly [key: Uint8Array, mark: number, first: number, left: number])[],
) {
  const time = (milliseconds: number) => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(milliseconds));
    return bytes;
  };
  return new PayloadWriter(littleEndian)
    .bytes([5, 0, 0, 0])
    .attributeText(1, 'oneip')
    .attributeText(2, 'web/flow4')
    .nest(3, (list) => {
      for (const [key, mark, first, left] of flows) {
        list.nest(1, (element) =>
          element
            .nest(1, (value) => value.attribute(1, key))
            .nest(2, (value) => value.attributeU32(1, mark))
            .attribute(4, time(first))
            .attribute(5, time(left)),
        );
      }
    })
    .finish();
}

function read(payload: Uint8Array, littleEndian: boolean): [string, number, number][] {
  const found: [string, number, number][] = [];
  readFlows(payload, littleEndian, (mark, left, from, to) =>
    found.push([payload.subarray(from, to).join(' '), mark, left]),
  );
  return found;
}

const key = flowElementKey(4, packet);
const other = flowElementKey(4, { ...packet, sourcePort: 40_001 });

for (const littleEndian of [true, false]) {
  test(`flows are read where they lie, ${littleEndian ? 'little' : 'big'} end first`, () => {
    const dumped = piece(littleEndian, [
      [key, 0x6f690001, 60_000, 1234],
      [other, 0x6f690002, 60_000, 59_000],
    ]);
    const expected = [
      [key.join(' '), 0x6f690001, 1234],
      [other.join(' '), 0x6f690002, 59_000],
    ];
    assert.equal(read(dumped, littleEndian), expected);
    for (let length = 0; length < dumped.length; length++) {
      const cut = read(dumped.subarray(0, length), littleEndian);
      assert.ok(cut.length === 0, `nothing of a piece that is cut off at ${length}`);
    }
  });

  test(`flows that are kept for a moment go back as they were, ${littleEndian ? 'little' : 'big'} end first`, () => {
    const dumped = piece(littleEndian, [
      [key, 1, 60_000, 7_000_000],
      [other, 2, 7_200_000, 59_000],
    ]);
    const kept = keepFlows(dumped, littleEndian);
    assert.equal(read(kept, littleEndian), read(dumped, littleEndian));
    const longer = piece(littleEndian, [
      [key, 1, 7_000_000, 7_000_000],
      [other, 2, 7_200_000, 59_000],
    ]);
    assert.equal(kept, longer, 'nobody has more time left than there was first');
    const { datagram, acknowledgements } = encodeFlowReturn([kept], littleEndian);
    assert.is(acknowledgements, 1);
    assert.equal(decodeMessages(datagram, littleEndian)[1]?.payload, kept);
  });
}

test('as many deletions go into a message as there is room for', () => {
  const keys = Array.from({ length: 5000 }, (_, port) => flowElementKey(4, { ...packet, sourcePort: port }));
  const { datagram, acknowledgements } = encodeFlowDeletion(
    { family: 'netdev', table: 'oneip', set: 'web/flow4' },
    keys,
    true,
  );
  const messages = decodeMessages(datagram, true).slice(1, -1);
  assert.is(messages.length, acknowledgements);
  assert.ok(messages.length > 1);
  const deleted = messages.flatMap(({ payload }) => read(payload, true).map(([text]) => text));
  assert.equal(
    deleted,
    keys.map((one) => one.join(' ')),
  );
});

test('an overflow is told once, as long as it lasts, and its end', () => {
  let counted = 5n;
  let tick: (() => void) | undefined;
  let cancelled = 0;
  const told: string[] = [];
  const watch = new OverflowWatch({
    counters: () => new Map([['web/flows/full', { packets: counted, bytes: 0n }]]),
    startTimer: (callback) => {
      tick = callback;
      return { cancel: () => cancelled++ };
    },
    full: (name, packets) => told.push(`full ${name} ${packets}`),
    relieved: (name) => told.push(`room ${name}`),
  });
  const look = (packets: bigint): string[] => {
    counted = packets;
    tick?.();
    return told.splice(0);
  };
  watch.follow([service(2)]);
  assert.is(tick, undefined, 'nobody looks while there is nothing to see');
  watch.follow([placed(2)]);
  assert.equal(look(0n), []);
  assert.equal(look(7n), ['full web 7']);
  assert.equal(look(9n), []);
  assert.equal(look(9n), ['room web']);
  assert.equal(look(3n), ['full web 3'], 'a counter that begins anew');
  watch.follow([]);
  assert.is(cancelled, 1);
});

test('a simulation says what turns make of anybody, and which connection is remembered', () => {
  const web = placed(2);
  const client = parseClient('203.0.113.7:40000');
  assert.ok(client);
  const { server, chances, why } = simulate(web, slotTables(web), client, { littleEndian: true });
  assert.equal([server, chances], [undefined, { web1: 0.5, web2: 0.5 }]);
  assert.match(why.join(), /in turn: web1 50\.0 %/);
  const known = placedSentences(web, client, undefined, ({ protocol, destination, destinationPort }) =>
    protocol === 6 && destination.text === '198.51.100.1' && destinationPort === 80 ? 'web2' : undefined,
  );
  assert.equal(known, ['tcp from port 40000 to 198.51.100.1 port 80 is remembered, and stays with web2']);
  assert.equal(
    placedSentences(web, { address: client.address }, undefined, () => 'web1'),
    [],
    'without its port nobody knows',
  );
});

test.run();
