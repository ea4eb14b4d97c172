import { args, littleEndian, writeOutput } from 'oneip:runtime';
import { steadyTime } from '../../src/host/clock.ts';
import { TableWatch } from '../../src/host/nft-events.ts';
import type { SlotChange } from '../../src/netlink/slot-elements.ts';
import { encodeSlotChange } from '../../src/netlink/slot-elements.ts';
import type { SlotRequest, SlotTimes } from './slots.ts';

// Runs in the runtime, inside a router that has the ruleset: moves slots from one server to another and back, and times it.

const { map, slots, counts, chains, rounds } = JSON.parse(args[0] ?? '') as SlotRequest;

/** Moves so many slots, evenly spread, to one chain, in the tables of both paths. */
function change(count: number, chain: string): SlotChange {
  const moved = Array.from({ length: count }, (_, index) => Math.floor((index * slots) / count));
  const more = moved.map((slot) => [slot, chain] as const);
  const families = ['netdev', 'inet'] as const;
  return {
    moves: families.map((family) => ({ family, table: 'oneip', set: map, verdict: 'goto', less: moved, more })),
    emptied: [],
  };
}

const watch = new TableWatch('oneip', () => undefined);
const results = counts.map((count): SlotTimes => {
  const milliseconds: number[] = [];
  const changes = chains.map((chain) => change(count, chain));
  // The first of them is not counted: the slots may be anybody's before.
  for (let round = 0; round <= rounds; round++) {
    for (const one of changes) {
      const begin = steadyTime();
      watch.moveSlots(one);
      if (round > 0) milliseconds.push(steadyTime() - begin);
    }
  }
  const bytes = Math.max(...changes.map((one) => encodeSlotChange(one, littleEndian).datagram.length));
  return { count, bytes, milliseconds };
});
watch.close();
writeOutput(1, `${JSON.stringify(results)}\n`);
