import type { Model, Service } from '../config/model.ts';
import type { Deployment, SlotTables } from '../deployment/deployment.ts';
import { flowsTo } from '../deployment/placement.ts';
import type { Standing } from '../deployment/slot-tables.ts';
import type { Factors } from '../load/factors.ts';
import { Levels } from '../load/levels.ts';
import type { LoadSource } from '../load/levels.ts';
import { decideDeaths } from '../membership/deaths.ts';
import { advance } from '../membership/fleet.ts';
import type { Fleet, Squad } from '../membership/fleet.ts';
import { decide, standing } from '../membership/members.ts';
import type { Decision, Opinion } from '../membership/members.ts';
import type { Orders } from '../membership/orders.ts';
import { RosterMemory, departures, rosters } from '../membership/roster.ts';
import type { Roster } from '../membership/roster.ts';
import type { Allocate } from './allocator.ts';
import type { TrackedConnections } from './tracked-connections.ts';

export interface FleetPlannerOptions {
  /** Slot tables of a service; computed in slices between events. */
  readonly allocate: Allocate;
  /** What the watchdogs think of a server; default: it is up. */
  readonly opinionOf?: (service: string, server: string) => Opinion;
  /** What the load makes of the weights of a service; default: nothing. */
  readonly factorsOf?: (service: Service) => Factors | undefined;
}

/** What is in force. */
interface InForce {
  readonly fleet: Fleet;
  readonly deployment: Deployment | undefined;
  /** The kernel's record of connections goes with its tables: without them nothing can be kept. */
  readonly canKeep: boolean;
}

/**
 * Decides who is to serve in each service, and with which slots: by the configuration, the orders, what the watchdogs think, and
 * what the load makes of it. Changes nothing of what is in force.
 */
export class FleetPlanner {
  readonly #options: FleetPlannerOptions;
  readonly #tracked: TrackedConnections;
  readonly #members = new RosterMemory();
  readonly #rosters = new RosterMemory();
  readonly #levels = new Levels();

  constructor(options: FleetPlannerOptions, tracked: TrackedConnections) {
    this.#options = options;
    this.#tracked = tracked;
  }

  /** What is to be in force now, in place of what is. */
  async next(
    model: Model,
    orders: Orders,
    { fleet: before, deployment, canKeep }: InForce,
    now: number,
  ): Promise<Fleet> {
    const stays = (service: string, server: string) => {
      const member = before.get(service)?.members.find((entry) => entry.server.name === server);
      return member?.state === 'up' || member?.state === 'draining';
    };
    const leaving = departures(
      [...before.values()].map(({ roster }) => roster),
      this.#members.recall(model, orders, new Map()),
      stays,
    );
    const fleet = new Map<string, Squad>();
    for (const roster of this.#rosters.recall(model, orders, leaving)) {
      const { name } = roster.service;
      const decisions = this.#decide(roster, orders);
      const allotted = await this.#allot(roster, decisions);
      const isBusy = this.#tracked.isBusy(roster.service, decisions, now, (server) =>
        flowsTo(deployment, name, server),
      );
      fleet.set(name, advance(before.get(name), canKeep, { roster, decisions, ...allotted, isBusy, now }));
    }
    return fleet;
  }

  /** Decisions about the services in force that have lost a server, where nothing else counts. */
  deaths(fleet: Fleet, orders: Orders): ReadonlyMap<string, readonly Decision[]> {
    const deaths = new Map<string, readonly Decision[]>();
    for (const [name, squad] of fleet) {
      const decided = decideDeaths(squad, this.#decide(squad.roster, orders));
      if (decided) deaths.set(name, decided);
    }
    return deaths;
  }

  /** What is in force, but for the slots of servers that have died, which others of their services have. */
  async relieved(fleet: Fleet, deaths: ReadonlyMap<string, readonly Decision[]>, now: number): Promise<Fleet> {
    const relieved = new Map(fleet);
    for (const [name, decisions] of deaths) {
      const squad = fleet.get(name);
      if (!squad) continue;
      const { roster, members } = squad;
      const allotted = await this.#allot(roster, decisions);
      const isBusy = (server: string) =>
        members.some((member) => member.server.name === server && member.state === 'draining');
      relieved.set(name, advance(squad, true, { roster, decisions, ...allotted, isBusy, now }));
    }
    return relieved;
  }

  /** What is in force, with shares of new connections that follow the loads, `elapsed` milliseconds after the last ones. */
  leveled(fleet: Fleet, sources: readonly LoadSource[], elapsed: number): Fleet {
    const leveled = new Map(fleet);
    for (const [name, squad] of fleet) {
      const tables = this.#levels.follow(squad.roster.service, sources, elapsed);
      if (tables && tables !== squad.tables) leveled.set(name, { ...squad, tables });
    }
    return leveled;
  }

  /** The services of a configuration with their tables, if there were nothing before it. */
  async prospect(
    model: Model,
    orders: Orders,
    allocate: Allocate,
  ): Promise<{ readonly services: readonly Service[]; readonly tablesOf: (service: Service) => SlotTables }> {
    const tables = new Map<string, SlotTables>();
    const services: Service[] = [];
    for (const roster of rosters(model, orders, new Map())) {
      const { service } = roster;
      const allocated = await allocate(service, this.#standing(roster, this.#decide(roster, orders)));
      tables.set(service.name, this.#levels.prospect(service, allocated));
      services.push(service);
    }
    return { services, tablesOf: ({ name }) => tables.get(name) ?? {} };
  }

  #decide(roster: Roster, orders: Orders): Decision[] {
    const { opinionOf = () => NOT_WATCHED } = this.#options;
    return decide(roster, orders, (server) => opinionOf(roster.service.name, server));
  }

  async #allot(roster: Roster, decisions: readonly Decision[]): Promise<Pick<Squad, 'standing' | 'tables'>> {
    const stand = this.#standing(roster, decisions);
    const allocated = await this.#options.allocate(roster.service, stand);
    return { standing: stand, tables: this.#levels.tablesOf(roster.service, allocated) };
  }

  #standing(roster: Roster, decisions: readonly Decision[]): Standing {
    const factors = this.#options.factorsOf?.(roster.service);
    return { ...standing(roster, decisions), ...(factors ? { factors } : {}) };
  }
}

const NOT_WATCHED: Opinion = { up: true, reason: 'not watched' };
