import { littleEndian, nft } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NETLINK_NETFILTER, NetlinkChannel } from '../../src/host/netlink-channel.ts';
import { encodeSlotChange } from '../../src/netlink/slot-elements.ts';
import type { MovedSlots, SlotChange } from '../../src/netlink/slot-elements.ts';
import { enterNamespace, shell } from './support/namespace.ts';

await enterNamespace();

const channel = new NetlinkChannel(NETLINK_NETFILTER);
const SLOTS = 4096;
const chains = ['web/to/web1', 'web/to/web2', 'web/to/a_server_with_a_long_name_that_is_not_padded'];
const families = ['inet', 'netdev'] as const;

test.before.each(async () => {
  await shell('nft flush ruleset');
  const at = (family: string) => ({ family, table: 'oneip' });
  const commands = families.flatMap((family) => [
    { add: { table: { family, name: 'oneip' } } },
    ...chains.map((name) => ({ add: { chain: { ...at(family), name } } })),
    { add: { map: { ...at(family), name: 'web/slot', type: 'mark', map: 'verdict', size: SLOTS } } },
    { add: { element: { ...at(family), name: 'web/slot', elem: [...elements(() => 0)] } } },
  ]);
  assert.is(nft.run(JSON.stringify({ nftables: commands })).status, 0);
});

test.after(() => channel.close());

function elements(ownerOf: (slot: number) => number): unknown[] {
  return Array.from({ length: SLOTS }, (_, slot) => [slot, { goto: { target: chains[ownerOf(slot)] } }]);
}

/** Slot → chain, as nft lists the map. */
function listed(family: string): Map<number, string> {
  const { json } = nft.run(
    JSON.stringify({ nftables: [{ list: { map: { family, table: 'oneip', name: 'web/slot' } } }] }),
  );
  const { nftables } = JSON.parse(json) as {
    nftables: { map?: { elem?: [number, { goto: { target: string } }][] } }[];
  };
  return new Map(nftables.flatMap(({ map }) => map?.elem ?? []).map(([slot, { goto }]) => [slot, goto.target]));
}

const move = (family: MovedSlots['family'], slots: readonly number[], to: (slot: number) => string): MovedSlots => ({
  ...{ family, table: 'oneip', set: 'web/slot', verdict: 'goto', less: slots },
  more: slots.map((slot) => [slot, to(slot)] as const),
});

function apply(moves: readonly MovedSlots[], emptied: SlotChange['emptied'] = []): void {
  channel.transaction(encodeSlotChange({ moves, emptied }, littleEndian));
}

test('any number of slots of both tables moves in one transaction', () => {
  for (const count of [1, 64, 1024, SLOTS]) {
    const slots = Array.from({ length: count }, (_, index) => (index * 61 + count) % SLOTS);
    const before = families.map(listed);
    const to = (slot: number) => chains[(slot + count) % chains.length] ?? '';
    apply(families.map((family) => move(family, slots, to)));
    families.forEach((family, index) => {
      const expected = new Map([...(before[index] ?? []), ...slots.map((slot) => [slot, to(slot)] as const)]);
      assert.equal([...listed(family)].sort(), [...expected].sort(), `${count} slots, ${family}`);
    });
  }
});

test('a slot can be left to nobody, and given again', () => {
  const [slot, chain = ''] = [7, chains[1]];
  const alone = { family: 'inet', table: 'oneip', set: 'web/slot', verdict: 'goto' } as const;
  apply([{ ...alone, less: [slot], more: [] }]);
  assert.not(listed('inet').has(slot));
  apply([{ ...alone, less: [], more: [[slot, chain]] }]);
  assert.is(listed('inet').get(slot), chain);
});

test('what the kernel refuses changes nothing, in any of the maps, and the channel goes on', () => {
  const slots = [1, 2, 3];
  const good = move('inet', slots, () => chains[1] ?? '');
  const bad: [string, MovedSlots][] = [
    ['a chain that is not there', move('netdev', slots, () => 'web/to/nobody')],
    ['an element that is not there', move('netdev', [SLOTS + 5], () => chains[1] ?? '')],
    ['a map that is not there', { ...move('netdev', slots, () => chains[1] ?? ''), set: 'mail/slot' }],
    ['a table that is not there', { ...move('netdev', slots, () => chains[1] ?? ''), table: 'twoip' }],
  ];
  for (const [what, wrong] of bad) {
    assert.throws(() => apply([good, wrong]), /not there/, what);
    for (const family of families) {
      assert.ok(
        [...listed(family).values()].every((chain) => chain === chains[0]),
        `${what}, ${family}`,
      );
    }
  }
  apply([good]);
  assert.is(listed('inet').get(2), chains[1]);
});

test('slots lead to a chain and back where the map jumps, and sets are emptied in the same transaction', async () => {
  const at = { family: 'netdev', table: 'oneip' } as const;
  const flows = { ...at, set: 'web/flow4/web1' };
  const define = [
    { add: { map: { ...at, name: 'web/moved', type: 'mark', map: 'verdict', size: SLOTS } } },
    { add: { set: { ...at, name: flows.set, type: ['inet_proto', 'ipv4_addr'], flags: ['timeout'] } } },
    {
      add: {
        element: { ...at, name: flows.set, elem: [{ concat: ['tcp', '192.0.2.1'] }, { concat: ['udp', '192.0.2.2'] }] },
      },
    },
  ];
  assert.is(nft.run(JSON.stringify({ nftables: define })).status, 0);
  const list = (what: string, name: string) => shell(`nft list ${what} netdev oneip ${name}`);
  assert.match(await list('set', flows.set), '192.0.2.2');
  const chain = chains[1] ?? '';
  const moved: MovedSlots = {
    ...at,
    set: 'web/moved',
    verdict: 'jump',
    less: [],
    more: [
      [5, chain],
      [4095, chain],
    ],
  };
  apply([moved], [flows]);
  assert.not.match(await list('set', flows.set), 'elements');
  assert.match(await list('map', 'web/moved'), /0x00000005 : jump web\/to\/web2,\s+0x00000fff : jump web\/to\/web2/);
  apply([{ ...moved, less: [5, 4095], more: [] }]);
  assert.not.match(await list('map', 'web/moved'), 'elements');
});

test.run();
