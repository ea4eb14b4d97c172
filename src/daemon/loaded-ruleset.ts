import { diffRulesets, replaceRuleset, transaction } from '../plan/ruleset-diff.ts';
import type { RulesetChange } from '../plan/ruleset-diff.ts';
import { slotChange } from '../plan/slot-moves.ts';
import { slotElements, stageLoad } from '../plan/staged-load.ts';
import type { Chain, Ruleset } from '../ruleset/ruleset.ts';
import type { Router } from './router.ts';

/** Elements that one transaction may load at once: those of two small tables. */
const FEW_ELEMENTS = 1024;
/** Elements that it loads at once where packets would see a gap: those of a usual service in two tables, in 22 MB. */
const MANY_ELEMENTS = 8192;

/** The part of a host that holds a ruleset. */
type Kernel = Pick<Router, 'load' | 'moveSlots' | 'holdsTables'> &
  Partial<Pick<Router, 'loadRecords' | 'saveFlows' | 'restoreFlows'>>;

/** What the kernel holds of ours, and how it comes to hold something else. */
export class LoadedRuleset {
  readonly #router: Kernel;
  #ruleset: Ruleset | undefined;

  constructor(router: Kernel) {
    this.#router = router;
  }

  /** `undefined` = not known, so that the next load replaces it. */
  get ruleset(): Ruleset | undefined {
    return this.#ruleset;
  }

  /** Somebody else has touched our tables. */
  distrust(): void {
    this.#ruleset = undefined;
  }

  /** Loads a ruleset; throws with the reason where the kernel does not take it. */
  load(ruleset: Ruleset): void {
    if (this.#ruleset) this.#loadDifference(this.#ruleset, ruleset);
    else this.#loadAll(ruleset);
    this.#ruleset = undefined;
    this.#loadRecords(ruleset);
    this.#ruleset = ruleset;
  }

  /** Until these rules are there, and where they are not taken, new connections go by the hash. */
  #loadRecords({ tables }: Ruleset): void {
    const chains = tables.flatMap((table) => table.chains).filter(({ records }) => records !== undefined);
    if (chains.length > 0) this.#router.loadRecords?.(chains);
  }

  #loadDifference(known: Ruleset, wanted: Ruleset): void {
    // The kernel takes base chains away with their device, so that it may hold less than we think; a whole load tells.
    const remaining = withoutLostHooks(known, wanted);
    const ways = [
      () => diffRulesets(known, wanted),
      ...(remaining ? [() => diffRulesets(remaining, wanted)] : []),
      () => replaceRuleset(wanted),
    ];
    for (const [attempt, way] of ways.entries()) {
      try {
        this.#run(textOf(way()));
        return;
      } catch (error) {
        if (attempt === ways.length - 1) throw error;
      }
    }
  }

  /**
   * In stages where that takes much less memory, and no packets are dispatched yet that would see a gap. Where our tables are
   * there already, after a crash, that holds up to a size for which memory is found on most routers.
   */
  #loadAll(ruleset: Ruleset): void {
    const elements = slotElements(ruleset);
    const maps = ruleset.tables.flatMap(({ sets }) => sets.filter(({ marks }) => marks).map(({ name }) => name));
    const flows = maps.length > 0 ? (this.#router.saveFlows?.(maps) ?? []) : [];
    // Segments that are not dispatched for a moment come again; those that go to another server are answered with a RST.
    if (flows.length > 0) return this.#loadInStages(ruleset, flows);
    if (elements <= FEW_ELEMENTS || (elements <= MANY_ELEMENTS && this.#router.holdsTables())) {
      this.#run(textOf(replaceRuleset(ruleset)));
      return;
    }
    this.#loadInStages(ruleset, []);
  }

  #loadInStages(ruleset: Ruleset, flows: readonly Uint8Array[]): void {
    // From here on the kernel may hold a part of it.
    this.#ruleset = undefined;
    const { frame, fills, filled } = stageLoad(ruleset);
    this.#run(textOf(replaceRuleset(frame)));
    for (const fill of fills) this.#router.moveSlots(fill);
    this.#loadRecords(ruleset);
    if (flows.length > 0) this.#router.restoreFlows?.(flows);
    this.#run(textOf(diffRulesets(filled, ruleset)));
  }

  #run(transaction: string): void {
    if (transaction !== '') this.#router.load(transaction);
  }

  /** The same for a ruleset that differs from the present one in nothing but elements. */
  moveElements(ruleset: Ruleset): void {
    try {
      if (!this.#ruleset) throw new Error('nothing is known');
      const change = slotChange(this.#ruleset, ruleset);
      if (change.moves.length + change.emptied.length > 0) this.#router.moveSlots(change);
      this.#ruleset = ruleset;
    } catch {
      // Whatever it is: libnftables tells what is wrong, or does it.
      this.load(ruleset);
    }
  }
}

/** The transaction alone, so that its parts need not be in memory beside it while it is loaded; empty where nothing changes. */
function textOf({ commands }: RulesetChange): string {
  return commands.length > 0 ? transaction(commands) : '';
}

/** Without the base chains of devices that are gone, or that have come back as others; `undefined` where there are none. */
function withoutLostHooks(known: Ruleset, wanted: Ruleset): Ruleset | undefined {
  let lost = 0;
  const tables = known.tables.map((table) => {
    const chains = wanted.tables.find(({ family }) => family === table.family)?.chains ?? [];
    const isKept = (chain: Chain) => {
      const device = chain.hook?.device;
      if (device === undefined) return true;
      const same = chains.find(({ name }) => name === chain.name);
      return same !== undefined && same.bound?.[device] === chain.bound?.[device];
    };
    const kept = table.chains.filter(isKept);
    lost += table.chains.length - kept.length;
    return { ...table, chains: kept };
  });
  return lost > 0 ? { tables } : undefined;
}
