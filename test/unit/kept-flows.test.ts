import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { flowKey, flowOf, packFlows, unpackFlows } from '../../src/channel/flow.ts';
import type { FlowKey } from '../../src/channel/flow.ts';
import { KeptFlows, MOST_KEPT } from '../../src/channel/kept-flows.ts';
import { NOBODY } from '../../src/channel/message.ts';
import type { Family } from '../../src/net/address.ts';
import { address } from './support/deployments.ts';
import { Random } from './support/random.ts';

const ghosts = { 4: address('198.51.100.1'), 6: address('2001:db8::1') };

function flow(family: Family, number: number, port = 53): FlowKey {
  const client = address(family === 4 ? `10.0.${number >> 8}.${number & 255}` : `2001:db8:1::${number.toString(16)}`);
  return flowKey({ client, clientPort: 1024 + number, ghost: ghosts[family], port });
}

/** Owners by slot as a text: `ab-` is Anna's, Bert's and nobody's. */
const table = (owners: string) => ({
  ...{ service: 'names', family: 4 as const, members: ['anna', 'bert'] },
  owners: Uint16Array.from(owners, (letter) => (letter === '-' ? NOBODY : 'ab'.indexOf(letter))),
});
const listOf = (server: string, generation: number, ...flows: FlowKey[]) => ({
  ...{ server, generation, flows: packFlows(flows) },
});

test('a list of flows is packed and unpacked, and takes six bytes for each, or eighteen', () => {
  for (const family of [4, 6] as const) {
    const flows = [1, 2, 500, 60_000].flatMap((number) => [flow(family, number), flow(family, number, 5060)]);
    const packed = packFlows(flows);
    assert.equal(unpackFlows(packed, family).sort(), [...flows].sort());
    assert.is(packFlows([...flows, flow(family, 7)]).length - packed.length, family === 4 ? 6 : 18);
    for (let length = 0; length < packed.length; length++) {
      assert.throws(() => unpackFlows(packed.subarray(0, length), family), RangeError as never);
    }
  }
  const random = new Random(3);
  for (let round = 0; round < 500; round++) {
    try {
      unpackFlows(random.bytes(random.below(60)), 4);
    } catch (error) {
      assert.instance(error, RangeError);
    }
  }
  assert.equal(flowOf(flow(6, 500)), {
    ...{ client: address('2001:db8:1::1f4'), clientPort: 1524, ghost: ghosts[6], port: 53 },
  });
});

test('what is open in slots that were let go of is kept, but for what others keep', () => {
  const anna = new KeptFlows();
  anna.take([], undefined, table('aab'), 'anna');
  assert.is(anna.releasing, undefined);
  anna.take([listOf('bert', 3, flow(4, 9))], table('aab'), table('a-b'), 'anna');
  assert.equal(anna.releasing, Uint8Array.of(0, 1, 0));
  // One that it does not get rid of before the next table comes.
  anna.take([listOf('bert', 3, flow(4, 9))], table('a-b'), table('-bb'), 'anna');
  assert.equal(anna.releasing, Uint8Array.of(1, 1, 0));
  anna.keep([flow(4, 1), flow(4, 9)]);
  assert.equal([...anna.kept], [flow(4, 1)]);
});

test('a list has another number each time that it changes, and is announced until the router does so', () => {
  const anna = new KeptFlows();
  anna.take([], table('a'), table('-'), 'anna');
  anna.keep([flow(4, 1), flow(4, 2)]);
  assert.is(anna.releasing, undefined);
  assert.is(anna.generation, 1);
  assert.not.ok(anna.isAnnounced);
  anna.take([listOf('anna', 1, flow(4, 1), flow(4, 2))], table('-'), table('b'), 'anna');
  assert.ok(anna.isAnnounced);
  anna.end([flow(4, 5)]);
  assert.is(anna.generation, 1, 'nothing of it has ended');
  anna.end([flow(4, 1)]);
  assert.equal([...anna.kept], [flow(4, 2)]);
  assert.is(anna.generation, 2);
  assert.not.ok(anna.isAnnounced);
  anna.drop();
  assert.is(anna.generation, 3);
  assert.is(anna.kept.size, 0);
});

test('those beyond the most that are kept are not', () => {
  const anna = new KeptFlows();
  anna.keep(Array.from({ length: MOST_KEPT + 10 }, (_, number) => flow(4, number)));
  assert.is(anna.kept.size, MOST_KEPT);
  assert.ok(packFlows(anna.kept).length < 25_000);
});

test.run();
