import { NOBODY } from '../allocation/table.ts';
import type { MovedSlots } from '../netlink/slot-elements.ts';
import { TABLE } from '../ruleset/ruleset.ts';
import type { Ruleset } from '../ruleset/ruleset.ts';

/** The slots that move between two rulesets which differ in nothing else. */
export function movedSlots(before: Ruleset, after: Ruleset): MovedSlots[] {
  return after.tables.flatMap(({ family, slotMaps }) => {
    const old = before.tables.find((table) => table.family === family)?.slotMaps ?? [];
    return slotMaps.flatMap((map): MovedSlots[] => {
      const was = old.find(({ name }) => name === map.name);
      if (!was || was.slots === map.slots) return [];
      const [from, to] = [was.slots, map.slots];
      const less: number[] = [];
      const more: [number, string][] = [];
      for (let slot = 0; slot < to.length; slot++) {
        if (from[slot] === to[slot]) continue;
        if (from[slot] !== NOBODY) less.push(slot);
        const chain = map.targets[to[slot] ?? NOBODY];
        if (chain !== undefined) more.push([slot, chain]);
      }
      return less.length + more.length > 0 ? [{ family, table: TABLE, map: map.name, less, more }] : [];
    });
  });
}
