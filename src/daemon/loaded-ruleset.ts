import { diffRulesets, replaceRuleset, transaction } from '../plan/ruleset-diff.ts';
import type { RulesetChange } from '../plan/ruleset-diff.ts';
import { slotChange } from '../plan/slot-moves.ts';
import type { Ruleset } from '../ruleset/ruleset.ts';
import type { Router } from './router.ts';

/** What the kernel holds of ours, and how it comes to hold something else. */
export class LoadedRuleset {
  readonly #router: Pick<Router, 'load' | 'moveSlots'>;
  #ruleset: Ruleset | undefined;

  constructor(router: Pick<Router, 'load' | 'moveSlots'>) {
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
    const known = this.#ruleset;
    const change = known ? textOf(diffRulesets(known, ruleset)) : textOf(replaceRuleset(ruleset));
    if (change !== '') {
      try {
        this.#router.load(change);
      } catch (error) {
        if (!known) throw error;
        // The kernel takes chains away with their device, so what is loaded may be less than we think; a whole load tells.
        this.#router.load(textOf(replaceRuleset(ruleset)));
      }
    }
    this.#ruleset = ruleset;
  }

  /** The same for a ruleset that differs from the present one in nothing but elements. */
  moveElements(ruleset: Ruleset): void {
    try {
      if (!this.#ruleset) throw new Error('nothing is known');
      this.#router.moveSlots(slotChange(this.#ruleset, ruleset));
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
