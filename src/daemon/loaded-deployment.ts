import type { Deployment } from '../deployment/deployment.ts';
import { prepare } from '../deployment/steps.ts';
import { buildRuleset, differsInElements, withEgresses, withElements } from '../ruleset/build.ts';
import type { Ruleset } from '../ruleset/ruleset.ts';
import { LoadedRuleset } from './loaded-ruleset.ts';
import type { Router } from './router.ts';

/**
 * The deployment that the kernel dispatches by. Every change throws with the reason where the kernel does not take it; then the
 * one before is still in force, or what prepares the next one, by which old connections keep their servers as well.
 */
export class LoadedDeployment {
  readonly #router: Pick<Router, 'awaitPackets'>;
  readonly #ruleset: LoadedRuleset;
  /** The last one that was loaded. */
  #deployment: Deployment | undefined;

  constructor(router: ConstructorParameters<typeof LoadedRuleset>[0] & Pick<Router, 'awaitPackets'>) {
    this.#router = router;
    this.#ruleset = new LoadedRuleset(router);
  }

  /** What the kernel holds of it; `undefined` = not known, so that the next load replaces it. */
  get ruleset(): Ruleset | undefined {
    return this.#ruleset.ruleset;
  }

  /** Somebody else has touched our tables. */
  distrust(): void {
    this.#ruleset.distrust();
  }

  /** Loads one that may differ in everything. */
  establish(deployment: Deployment): void {
    const step = this.#stepTo(deployment);
    this.#ruleset.load(buildRuleset(step ?? deployment));
    if (step) this.#follow(step, deployment);
    this.#deployment = deployment;
  }

  /** Loads one that differs from `before` in who has which slots, at most: this is what has to be quick when a server dies. */
  redistribute(before: Deployment, deployment: Deployment): void {
    const step = this.#stepTo(deployment);
    this.#move(before, step ?? deployment);
    if (step) this.#follow(step, deployment);
    this.#deployment = deployment;
  }

  /** Loads one that differs in the devices by which packets leave, and leaves everything else as it is, changes under way included. */
  leaveBy(deployment: Deployment): void {
    this.#ruleset.load(this.ruleset ? withEgresses(this.ruleset, deployment) : buildRuleset(deployment));
    this.#deployment = deployment;
  }

  #stepTo(deployment: Deployment): Deployment | undefined {
    return this.ruleset && this.#deployment ? prepare(this.#deployment, deployment) : undefined;
  }

  #follow(step: Deployment, deployment: Deployment): void {
    this.#router.awaitPackets();
    this.#move(step, deployment);
  }

  #move(before: Deployment, after: Deployment): void {
    const known = this.ruleset;
    if (known && differsInElements(before, after)) this.#ruleset.moveElements(withElements(known, after));
    else this.#ruleset.load(buildRuleset(after));
  }
}
