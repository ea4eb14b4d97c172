import { withoutSecrets } from '../config/redact.ts';
import type { Deployment } from '../deployment/deployment.ts';
import { failuresOf, formatFailures } from '../membership/failures.ts';
import type { Fleet } from '../membership/fleet.ts';
import { formatOrders } from '../membership/orders.ts';
import type { Orders } from '../membership/orders.ts';
import { formatSnapshot } from '../membership/snapshot.ts';
import type { Router } from './router.ts';

/** What is in force, as a command or the next run will want to know it. */
export interface InForce {
  /** Text of the configuration. */
  readonly text: string;
  readonly orders: Orders;
  readonly numbers: ReadonlyMap<string, number>;
  readonly fleet: Fleet;
  readonly deployment: Deployment;
}

/** Writes down what the next run of the daemon finds, each time that it has become something else. */
export class Records {
  readonly #router: Pick<Router, 'remember' | 'keep'>;
  #snapshot = '';
  /** Text of a configuration, and what of it is written down. */
  #shown = { text: '', configuration: '' };
  #failures = formatFailures([]);

  constructor(router: Pick<Router, 'remember' | 'keep'>) {
    this.#router = router;
  }

  /** What is in force, for `plan`, `simulate` and the next start. */
  remember({ text, orders, numbers, fleet, deployment }: InForce): void {
    const { egresses } = deployment;
    const standings = [...fleet].map(([service, { standing, roster }]) => ({
      service,
      down: [...standing.down],
      leaving: roster.service.servers.filter(({ name }) => roster.leaving.has(name)),
      ...(standing.factors ? { factors: standing.factors } : {}),
    }));
    // With many servers it is a long text, which is read as a whole for this.
    if (text !== this.#shown.text) this.#shown = { text, configuration: withoutSecrets(text) };
    const snapshot = formatSnapshot({
      configuration: this.#shown.configuration,
      ...{ orders, standings, numbers },
      observation: { ...deployment.observation, ...(egresses && { egresses }) },
    });
    if (snapshot === this.#snapshot) return;
    this.#router.remember(snapshot);
    this.#snapshot = snapshot;
  }

  /** Orders that outlive this run. */
  orders(orders: Orders): void {
    this.#router.keep('orders', formatOrders(orders));
  }

  /** Who has failed. */
  failures(fleet: Fleet): void {
    const failures = formatFailures(failuresOf(fleet));
    if (failures !== this.#failures) this.#router.keep('failures', failures);
    this.#failures = failures;
  }
}
