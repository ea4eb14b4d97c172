import { isTranslated } from '../config/model.ts';
import type { Service } from '../config/model.ts';
import { connectionsTo } from '../deployment/translation.ts';
import type { TranslatedConnections } from '../deployment/translation.ts';
import type { Fleet } from '../membership/fleet.ts';
import type { Decision } from '../membership/members.ts';
import type { Router } from './router.ts';

/** Milliseconds between two looks at the connections of a server that drains. */
const COUNT_INTERVAL = 2000;

/** What the kernel tracks of services under address translation: drains wait for it, and dead servers lose it. */
export class TrackedConnections {
  readonly #router: Pick<Router, 'tracked' | 'forget'>;
  readonly #log: (line: string) => void;
  /** Clock, milliseconds, when they were counted last. */
  #counted = -Infinity;

  constructor(router: Pick<Router, 'tracked' | 'forget'>, log: (line: string) => void) {
    this.#router = router;
    this.#log = log;
  }

  /** Clock, milliseconds, when they are to be counted again; `Infinity`: nobody waits for it. */
  next(fleet: Fleet): number {
    const isWaiting = [...fleet.values()].some(
      ({ roster, members }) => isTranslated(roster.service) && members.some(({ state }) => state === 'draining'),
    );
    return isWaiting ? this.#counted + COUNT_INTERVAL : Infinity;
  }

  /** Tells which servers of a service have some left that shall lose them, until their time is over. */
  isBusy(service: Service, decisions: readonly Decision[], now: number): (server: string) => boolean {
    return (name) => {
      const drain = decisions.find(({ server, wish }) => server.name === name && wish === 'drain');
      if (!drain || !isTranslated(service) || (drain.order?.until ?? Infinity) <= now) return false;
      this.#counted = now;
      try {
        return this.#router.tracked(connectionsTo(service, drain.server)) > 0;
      } catch {
        // Who cannot be asked about may have some.
        return true;
      }
    };
  }

  /** Has the kernel forget those of servers that are lost: not before it sends new ones elsewhere. */
  forget(lost: readonly TranslatedConnections[]): void {
    if (lost.length === 0) return;
    try {
      const count = this.#router.forget(lost);
      const names = [...new Set(lost.map(({ service, server }) => `${service.name}: ${server.name}`))].join(', ');
      if (count > 0) this.#log(`${names}: ${count === 1 ? '1 connection' : `${count} connections`} broken`);
    } catch (error) {
      this.#log(`connections of dead servers stay: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
