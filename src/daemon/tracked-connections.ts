import { isRemembered } from '../config/model.ts';
import type { Service } from '../config/model.ts';
import type { PlacedFlows } from '../deployment/placement.ts';
import { connectionsTo } from '../deployment/translation.ts';
import type { Fleet } from '../membership/fleet.ts';
import { lostConnections } from '../membership/lost.ts';
import type { Lost } from '../membership/lost.ts';
import type { Decision } from '../membership/members.ts';
import type { Router } from './router.ts';

/** Milliseconds between two looks at the connections of a server that drains. */
const COUNT_INTERVAL = 2000;
/** They are longer where a look takes long: it is given a twentieth of the time. */
const SPARING = 20;

type Kernel = Pick<Router, 'tracked' | 'forget' | 'countFlows' | 'forgetFlows'>;

/** What the kernel remembers of services whose connections it tracks, or that are placed one by one: drains wait for it, and dead servers lose it. */
export class TrackedConnections {
  readonly #router: Kernel;
  readonly #log: (line: string) => void;
  /** Clock, milliseconds, when they were counted last. */
  #counted = -Infinity;
  /** Milliseconds until they may be counted again. */
  #pause = COUNT_INTERVAL;
  readonly #clock: () => number;

  constructor(router: Kernel, log: (line: string) => void, clock: () => number) {
    this.#router = router;
    this.#log = log;
    this.#clock = clock;
  }

  /** Clock, milliseconds, when they are to be counted again; `Infinity`: nobody waits for it. */
  next(fleet: Fleet): number {
    const isWaiting = [...fleet.values()].some(
      ({ roster, members }) => isRemembered(roster.service) && members.some(({ state }) => state === 'draining'),
    );
    return isWaiting ? this.#counted + this.#pause : Infinity;
  }

  /** Tells which servers of a service have some left that shall lose them, until their time is over. */
  isBusy(
    service: Service,
    decisions: readonly Decision[],
    now: number,
    flowsOf: (server: string) => PlacedFlows | undefined,
  ): (server: string) => boolean {
    return (name) => {
      const drain = decisions.find(({ server, wish }) => server.name === name && wish === 'drain');
      if (!drain || !isRemembered(service) || (drain.order?.until ?? Infinity) <= now) return false;
      this.#counted = now;
      const began = this.#clock();
      try {
        const flows = flowsOf(name);
        const count = flows
          ? this.#router.countFlows(flows)
          : this.#router.tracked(connectionsTo(service, drain.server));
        return count > 0;
      } catch {
        // Who cannot be asked about may have some.
        return true;
      } finally {
        this.#pause = Math.max(COUNT_INTERVAL, SPARING * (this.#clock() - began));
      }
    };
  }

  /** Has the kernel forget those of servers that are lost: not before it sends new ones elsewhere. */
  forget(lost: readonly Lost[], flowsOf: (service: string, server: string) => PlacedFlows | undefined): void {
    const connections = lostConnections(lost);
    const translated = lost.filter(({ service }) => !service.placement);
    if (connections.length > 0) this.#forget(translated, () => this.#router.forget(connections));
    for (const one of lost) {
      const flows = flowsOf(one.service.name, one.server.name);
      if (flows) this.#forget([one], () => this.#router.forgetFlows(flows));
    }
  }

  #forget(lost: readonly Lost[], forget: () => number): void {
    try {
      const count = forget();
      const names = [...new Set(lost.map(({ service, server }) => `${service.name}: ${server.name}`))].join(', ');
      if (count > 0) this.#log(`${names}: ${count === 1 ? '1 connection' : `${count} connections`} broken`);
    } catch (error) {
      this.#log(`connections of dead servers stay: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
