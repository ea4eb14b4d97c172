import { NOBODY } from '../allocation/table.ts';
import type { Owners } from './pasts.ts';
import type { RecordedServer, SlotHistory, SlotTransition, Transition } from './transition.ts';

// A packet asks several maps, one after the other, and each lookup sees a transaction as soon as it takes effect: a packet that
// is under way meanwhile asks the first maps of the state before it and the others of the state after it
// (`nft_genmask_cur` in net/netfilter/nft_set_hash.c reads the generation with every lookup). Where the processor is taken away
// in that moment, as on a busy virtual machine, it happens every now and then, and an old connection's packet, with no history
// found and the new slot table, went to the new server, which reset the connection. So a change takes two transactions. The
// first has the new histories, but slots that lead where they led, and all the records that there were. The second, when no
// packet is left that has not seen the first, moves the slots and forgets records. Whatever a packet asks of two neighbouring
// states is right then.

/** The slots of one family as the first transaction has them. */
export interface PreparedSlots {
  /** Slots whose flows stay with the server that had them still lead to it; the others lead where they shall. */
  readonly table: Uint16Array;
  readonly histories: SlotTransition;
}

/**
 * What the first transaction has of a table's slots; `undefined` where it has the same as the second. `past`: the histories
 * until now.
 */
export function prepareSlots(
  before: Owners,
  past: SlotTransition | undefined,
  after: Owners,
  transition: SlotTransition,
): PreparedSlots | undefined {
  const places = new Map(after.names.map((name, index) => [name, index]));
  const histories: SlotHistory[] = [...transition.histories];
  const made = new Map<string, number>();
  const slots = transition.slots.slice();
  const table = after.table.slice();
  for (let slot = 0; slot < slots.length; slot++) {
    const index = transition.slots[slot] ?? NOBODY;
    if (index === NOBODY) continue;
    const history = transition.histories[index];
    const name = before.names[before.table[slot] ?? NOBODY];
    const place = places.get(name ?? '');
    if (!history || name === undefined || name === history.current) continue;
    const held = place !== undefined && history.visited.includes(name) ? place : undefined;
    const visitedBefore = past?.histories[past.slots[slot] ?? NOBODY]?.visited ?? [];
    if (held === undefined && !visitedBefore.includes(history.current)) continue;
    const key = `${index} ${held !== undefined}`;
    let prepared = made.get(key);
    if (prepared === undefined) made.set(key, (prepared = histories.push(explicit(history, held !== undefined)) - 1));
    table[slot] = held ?? table[slot] ?? NOBODY;
    slots[slot] = prepared;
  }
  return made.size > 0 ? { table, histories: { histories, slots } } : undefined;
}

/**
 * A history that is right for whoever has asked the first map before. Who had the slot once and has it again is looked for
 * among the others, too; where a slot is held, nothing is left to the slot table.
 */
function explicit(history: SlotHistory, isHeld: boolean): SlotHistory {
  const { current, visited, learning = current } = history;
  return { ...history, visited: [...visited, current].sort(), ...(isHeld ? { learning, isHeld } : {}) };
}

/**
 * The transition that forgets nothing yet: histories that have ended are gone, but their records and maps are there. `isPresent`
 * tells whether the service still has a server. `undefined` where `after` forgets nothing either.
 */
export function withoutLoss(
  before: Transition,
  after: Transition | undefined,
  isPresent: (server: string) => boolean,
): Transition | undefined {
  const wanted = new Map(after?.recorded.map((record) => [record.server, record]));
  const isLost = ({ server, emptied }: RecordedServer) => wanted.get(server)?.emptied !== emptied && isPresent(server);
  const lost = before.recorded.filter(isLost);
  if (lost.length === 0 && after) return undefined;
  for (const record of lost) wanted.set(record.server, record);
  const recorded = [...wanted.values()].sort((a, b) => (a.server < b.server ? -1 : 1));
  return { tables: after?.tables ?? endedTables(before.tables), recorded };
}

function endedTables({ 4: four, 6: six }: Transition['tables']): Transition['tables'] {
  const end = (table: SlotTransition): SlotTransition => ({
    histories: [],
    slots: new Uint16Array(table.slots.length).fill(NOBODY),
  });
  const ended4 = four && end(four);
  const ended6 = six && (six === four ? ended4 : end(six));
  return { ...(ended4 ? { 4: ended4 } : {}), ...(ended6 ? { 6: ended6 } : {}) };
}
