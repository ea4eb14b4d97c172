import type { Model, Server, Service } from '../config/model.ts';
import type { Orders } from './orders.ts';

/** Servers on their way out, by service: kept for their old connections alone. */
export type Leaving = ReadonlyMap<string, readonly Server[]>;

/** A service with the servers that it has now. */
export interface Roster {
  /** As the configuration and the orders have it; those that leave stand last among its `servers`. */
  readonly service: Service;
  /** Names of servers that the configuration does not know. */
  readonly added: ReadonlySet<string>;
  readonly leaving: ReadonlySet<string>;
}

/**
 * The services as the orders have changed them: weights, servers that came and went. A server that is switched off in the
 * configuration and was ordered up is as good as any other.
 */
export function rosters(model: Model, orders: Orders, leaving: Leaving): Roster[] {
  return model.services.map((service) => {
    const mine = <T extends { readonly service: string }>(list: readonly T[]) =>
      list.filter((entry) => entry.service === service.name);
    const weights = new Map(mine(orders.weights).map(({ server, weight }) => [server, weight]));
    const removed = new Set(mine(orders.removals).map(({ server }) => server));
    const forcedUp = new Set(mine(orders.states).flatMap(({ server, state }) => (state === 'up' ? [server] : [])));

    const configured = [...service.servers, ...service.disabled].map(({ name }) => name);
    const additions = mine(orders.additions).filter(({ server }) => !configured.includes(server.name));
    const reweighted = (server: Server) => ({ ...server, weight: weights.get(server.name) ?? server.weight });
    const present = (list: readonly Server[]) => list.filter(({ name }) => !removed.has(name)).map(reweighted);

    const members = [
      ...present(service.servers),
      ...present(service.disabled.filter(({ name }) => forcedUp.has(name))),
      ...additions.map(({ server }) => reweighted(server)),
    ];
    const names = new Set(members.map(({ name }) => name));
    const going = (leaving.get(service.name) ?? []).filter(({ name }) => !names.has(name));
    return {
      service: {
        ...service,
        servers: [...members, ...going],
        disabled: present(service.disabled.filter(({ name }) => !forcedUp.has(name))),
      },
      added: new Set(additions.map(({ server }) => server.name)),
      leaving: new Set(going.map(({ name }) => name)),
    };
  });
}

/** Rosters as they were computed last: `rosters` with the same result gives the same objects, so that others can tell. */
export class RosterMemory {
  #model: Model | undefined;
  #key = '';
  #rosters: readonly Roster[] = [];

  recall(model: Model, orders: Orders, leaving: Leaving): readonly Roster[] {
    const { weights, additions, removals, states } = orders;
    const forcedUp = states.flatMap(({ service, server, state }) => (state === 'up' ? [[service, server]] : []));
    const going = [...leaving].map(([service, servers]) => [service, servers]);
    const key = JSON.stringify([weights, additions, removals, forcedUp, going]);
    if (model !== this.#model || key !== this.#key) {
      this.#model = model;
      this.#key = key;
      this.#rosters = rosters(model, orders, leaving);
    }
    return this.#rosters;
  }
}

/**
 * Who leaves: servers that a service had, that lived, and that it no longer has, beside those that were leaving already and
 * whom `isNeeded` still asks for.
 */
export function departures(
  before: readonly Roster[],
  after: readonly Roster[],
  isAlive: (service: string, server: string) => boolean,
): Leaving {
  const result = new Map<string, readonly Server[]>();
  for (const { service } of after) {
    const was = before.find((roster) => roster.service.name === service.name);
    const here = new Set(service.servers.map(({ name }) => name));
    const gone = was?.service.servers.filter(({ name }) => !here.has(name) && isAlive(service.name, name)) ?? [];
    if (gone.length > 0) result.set(service.name, gone);
  }
  return result;
}
