import { channelFor } from '../channel/place.ts';
import { formatProblem, hasErrors } from '../config/report.ts';
import { loadConfiguration } from '../config/validate.ts';
import { isFlooded, serverAddress } from '../config/model.ts';
import type { Service } from '../config/model.ts';
import { slotTables } from '../deployment/slot-tables.ts';
import type { NetworkState } from '../network/state.ts';
import { serverFilter, withOwned } from '../server/filter.ts';
import type { FilteredService } from '../server/filter.ts';
import { identify } from '../server/identity.ts';
import type { Identity } from '../server/identity.ts';
import { attach } from '../server/machine.ts';
import type { Attachment, Machine } from '../server/machine.ts';
import { passageNetwork, passageTables } from '../server/second-chance.ts';
import { Ownership } from '../server/ownership.ts';
import type { OwnedFlows, OwnedSlots } from '../server/ownership.ts';
import { misplacedGhosts, wantedServer } from '../server/wanted.ts';
import { LoadedRuleset } from './loaded-ruleset.ts';
import type { Router } from './router.ts';

/** A server's machine as the controller sees it; `src/host/server.ts` is the real one. */
export interface ServerHost extends Pick<Router, 'load' | 'moveSlots' | 'holdsTables'> {
  observe(): Machine;
  /** Removes tables of ours that nobody knows, but for those of the given families; tells which, a line each. */
  clear(kept: readonly string[]): string[];
  establish(wanted: NetworkState): string[];
  prune(wanted: NetworkState): string[];
  /** Sets the lease in the filter, which must have been loaded; see `ServerController.lease`. */
  lease(milliseconds: number): void;
}

export interface ServerOptions {
  readonly host: ServerHost;
  /** One line for the log. */
  readonly log: (line: string) => void;
  /** Name of the server; absent: its addresses tell. */
  readonly name?: string;
  /** Called after the kernel has taken a change. */
  readonly settled?: () => void;
}

/** What a server has in force. */
export interface ServerState {
  readonly identity: Identity;
  readonly attachment: Attachment;
  readonly filtered: readonly FilteredService[];
}

/**
 * Keeps a server as the configuration wants it: every event leads to the same reconciliation, which applies the difference. All
 * of it is calls to the kernel that return when they are done, so reconciliations cannot overlap.
 */
export class ServerController {
  readonly #options: ServerOptions;
  readonly #loaded: LoadedRuleset;
  readonly #ownership = new Ownership((alsoFlows) => {
    this.#redistribute(alsoFlows);
  });
  #name: string | undefined;
  #identity: Identity | undefined;
  /** There is a channel by which slots are told, and held no longer than it says. */
  #isLeased = false;
  #attachment: Attachment = {};
  #state: ServerState | undefined;
  #complaints: ReadonlySet<string> = new Set();

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#name = options.name;
    this.#loaded = new LoadedRuleset(options.host);
  }

  /** What is in force; `undefined` before the first configuration has been applied. */
  get state(): ServerState | undefined {
    return this.#state;
  }

  /**
   * Takes a configuration. At the start bad sections are left out and the rest runs; later one with errors is refused as a whole.
   * False: refused. Throws where this machine is none of the servers, or the kernel refuses.
   */
  configure(text: string, file: string): boolean {
    const { model, problems } = loadConfiguration(text, file);
    for (const problem of problems) this.#options.log(formatProblem(problem));
    const running = this.#identity !== undefined;
    if (running && hasErrors(problems)) return false;
    // Who it is does not change by the way: addresses may be gone for a moment while the configuration is read again.
    const { environment } = this.#options.host.observe();
    const found = identify(model, this.#name, environment.addresses);
    if (typeof found === 'string') throw new Error(found);
    const [before, wasLeased] = [this.#identity, this.#isLeased];
    this.#identity = found;
    this.#isLeased = channelFor(model, found.services) !== undefined;
    try {
      this.reconcile();
    } catch (error) {
      if (before) [this.#identity, this.#isLeased] = [before, wasLeased];
      throw error;
    }
    this.#name = found.server.name;
    return true;
  }

  /** Somebody else has touched our table: what it holds is not known any more. */
  distrust(): void {
    this.#loaded.distrust();
  }

  /**
   * Replaces the slots of a service that this server has, and the flows that are not with the owners of their slots, until the next
   * time; see `Ownership`. Throws with the kernel's reason where it does not take them; the next reconciliation tries again.
   */
  setOwned(service: string, owned: OwnedSlots, flows?: OwnedFlows): void {
    this.#ownership.setOwned(service, owned, flows);
  }

  /**
   * Has the kernel take what begins here for so many milliseconds from now, and not longer whatever becomes of this process; 0: no
   * longer. Nothing where there is no channel, or no filter yet. Throws with the kernel's reason.
   */
  lease(milliseconds: number): void {
    const known = this.#loaded.ruleset;
    if (this.#isLeased && known && known.tables.length > 0) this.#options.host.lease(milliseconds);
  }

  /** Brings the machine to what is wanted now; throws with the kernel's reason. */
  reconcile(): void {
    const identity = this.#identity;
    if (!identity) return;
    const { host, log } = this.#options;
    const machine = host.observe();
    this.#attachment = attach(identity.server, machine.environment, this.#attachment);
    this.#ownership.configure(identity.services, identity.server.name, slotTables);
    this.#complain(identity, machine);
    const filtered = this.#filtered(identity);
    const own = wantedServer(identity, machine, this.#attachment);
    const network = { ...own, ...passageNetwork(filtered, this.#attachment) };
    const { addresses = [] } = network;
    // The filter stands before the first packet to a ghost is taken, and membership in a group before the router asks for it.
    const first = { ...network, addresses: addresses.filter(({ kind }) => kind === 'group') };
    for (const line of host.establish(first)) log(line);
    const tables = [...serverFilter(filtered, this.#isLeased).tables, ...passageTables(filtered, this.#attachment)];
    const ruleset = { tables: addresses.length > 0 ? tables : [] };
    if (!this.#loaded.ruleset) for (const line of host.clear(ruleset.tables.map(({ family }) => family))) log(line);
    this.#loaded.load(ruleset);
    for (const line of host.establish(network)) log(line);
    for (const line of host.prune(network)) log(line);
    this.#state = { identity, attachment: this.#attachment, filtered };
    this.#options.settled?.();
  }

  /** Nothing but slots has changed, and flows where `alsoFlows`. */
  #redistribute(alsoFlows: boolean): void {
    const identity = this.#identity;
    if (!identity || !this.#state) return;
    const known = this.#loaded.ruleset;
    const filtered = this.#filtered(identity);
    if (known && known.tables.length > 0) {
      const next = withOwned(known, filtered, alsoFlows);
      // At once: what is open in a slot goes on while the slot goes.
      if (alsoFlows) this.#loaded.load(next);
      else this.#loaded.moveElements(next);
    }
    this.#state = { ...this.#state, filtered };
    this.#options.settled?.();
  }

  #filtered({ server, services }: Identity): FilteredService[] {
    const looked = services.filter((service) => isFlooded(service) || service.secondChance);
    return looked.map((service: Service) => ({
      service,
      families: ([4, 6] as const).filter((family) => serverAddress(server, family)),
      owned: this.#ownership.of(service),
      flows: this.#ownership.flowsOf(service),
    }));
  }

  /** Says what is wrong with the machine, once until it has been right. */
  #complain(identity: Identity, machine: Machine): void {
    const { server, services } = identity;
    const complaints = [
      ...(services.length === 0 ? ['the configuration is switched off: nothing is served'] : []),
      ...(Object.keys(this.#attachment).length === 0
        ? [`${server.name} has none of its addresses yet; waiting for them, and serving nothing`]
        : []),
      ...misplacedGhosts(identity, machine).map(
        ({ ghost, device }) =>
          `${ghost.text} is an address of ${device}, too, where it is answered for: take it away, lo is its place`,
      ),
    ];
    for (const line of complaints) if (!this.#complaints.has(line)) this.#options.log(line);
    this.#complaints = new Set(complaints);
  }
}
