import type { FlowKey } from '../channel/flow.ts';
import type { FlowShare } from '../channel/kept-flows.ts';
import type { Service } from '../config/model.ts';
import type { SlotTables } from '../deployment/deployment.ts';
import type { Family } from '../net/address.ts';

/** A slot that the server has, and one that it has let go of but for what is open in it. */
export const OWN = 1;
export const RELEASING = 2;

/** Slots by family that one server has: `OWN` or `RELEASING` at the number of each, 0 elsewhere; as long as the table. */
export type OwnedSlots = Readonly<Partial<Record<Family, Uint8Array>>>;

/** Flows of datagrams by family that are with others than the owners of their slots. */
export type OwnedFlows = Readonly<Partial<Record<Family, FlowShare>>>;

/** What a server has of a table. */
export function ownedIn(tables: SlotTables, service: Service, server: string): OwnedSlots {
  const index = service.servers.findIndex(({ name }) => name === server);
  const known = new Map<Uint16Array, Uint8Array>();
  const owned: Partial<Record<Family, Uint8Array>> = {};
  for (const family of [4, 6] as const) {
    const table = tables[family];
    if (!table) continue;
    const slots = known.get(table) ?? Uint8Array.from(table, (owner) => (owner === index ? OWN : 0));
    known.set(table, slots);
    owned[family] = slots;
  }
  return owned;
}

/**
 * Which slots of its services a server has. At first those that the configuration gives it while all servers are up; what
 * somebody has heard from the router takes their place, and stays however silent the router is then.
 */
export class Ownership {
  readonly #changed: (alsoFlows: boolean) => void;
  readonly #configured = new Map<string, { readonly key: string; readonly owned: OwnedSlots }>();
  readonly #told = new Map<string, { readonly owned: OwnedSlots; readonly flows: OwnedFlows }>();

  /** The last change has thrown, and is not in force. */
  #isRefused = false;

  /** `changed` is called after each change that `setOwned` makes, and told whether it was one of flows, too. */
  constructor(changed: (alsoFlows: boolean) => void) {
    this.#changed = changed;
  }

  /** Takes the services as they are configured now. `compute` is asked only where members, slots or seed are others than before. */
  configure(services: readonly Service[], server: string, compute: (service: Service) => SlotTables): void {
    const names = new Set(services.map(({ name }) => name));
    for (const name of [...this.#configured.keys(), ...this.#told.keys()]) {
      if (names.has(name)) continue;
      this.#configured.delete(name);
      this.#told.delete(name);
    }
    for (const service of services) {
      const key = keyOf(service, server);
      if (this.#configured.get(service.name)?.key === key) continue;
      this.#configured.set(service.name, { key, owned: ownedIn(compute(service), service, server) });
    }
  }

  /** The slots in force. What was told of a table of another size means nobody's: to guess could give a slot two owners. */
  of({ name, slots }: Service): OwnedSlots {
    const told = this.#told.get(name);
    if (!told) return this.#configured.get(name)?.owned ?? {};
    return Object.fromEntries(Object.entries(told.owned).filter(([, owned]) => owned.length === slots));
  }

  /** Flows in force of a service. */
  flowsOf({ name }: Service): OwnedFlows {
    return this.#told.get(name)?.flows ?? {};
  }

  /** Replaces the slots of a service, whatever they were, and its flows; families that are not given have none. */
  setOwned(service: string, owned: OwnedSlots, flows: OwnedFlows = {}): void {
    const before = this.#told.get(service);
    const sameFlows = hasSameFlows(before?.flows[4], flows[4]) && hasSameFlows(before?.flows[6], flows[6]);
    const isKnown = before && sameFlows && before.owned[4] === owned[4] && before.owned[6] === owned[6];
    if (isKnown && !this.#isRefused) return;
    this.#told.set(service, { owned, flows });
    const alsoFlows = !sameFlows || this.#isRefused;
    this.#isRefused = true;
    this.#changed(alsoFlows);
    this.#isRefused = false;
  }
}

function hasSameFlows(one: FlowShare | undefined, other: FlowShare | undefined): boolean {
  return isSameSet(one?.kept, other?.kept) && isSameSet(one?.elsewhere, other?.elsewhere);
}

/** Sets are replaced, never changed. */
function isSameSet(one: ReadonlySet<FlowKey> = NONE, other: ReadonlySet<FlowKey> = NONE): boolean {
  return one === other || (one.size === 0 && other.size === 0);
}

const NONE: ReadonlySet<FlowKey> = new Set();

function keyOf({ servers, disabled, slots, seed, ghosts }: Service, server: string): string {
  const describe = ({ name, weight, address, address6 }: Service['servers'][number]) =>
    `${name}=${weight}/${address?.text ?? ''}/${address6?.text ?? ''}`;
  return JSON.stringify([
    server,
    slots,
    seed,
    [...servers.map(describe), '', ...disabled.map(describe)],
    ghosts.map(({ family }) => family),
  ]);
}
