import type { Service } from '../config/model.ts';
import type { SlotTables } from '../deployment/deployment.ts';
import type { Family } from '../net/address.ts';

/** Slots by family that one server has: 1 at the number of each, 0 elsewhere; as long as the table. */
export type OwnedSlots = Readonly<Partial<Record<Family, Uint8Array>>>;

/** What a server has of a table. */
export function ownedIn(tables: SlotTables, service: Service, server: string): OwnedSlots {
  const index = service.servers.findIndex(({ name }) => name === server);
  const known = new Map<Uint16Array, Uint8Array>();
  const owned: Partial<Record<Family, Uint8Array>> = {};
  for (const family of [4, 6] as const) {
    const table = tables[family];
    if (!table) continue;
    const slots = known.get(table) ?? Uint8Array.from(table, (owner) => (owner === index ? 1 : 0));
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
  readonly #changed: () => void;
  readonly #configured = new Map<string, { readonly key: string; readonly owned: OwnedSlots }>();
  readonly #told = new Map<string, OwnedSlots>();

  /** `changed` is called after each change that `setOwned` makes. */
  constructor(changed: () => void) {
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
    return Object.fromEntries(Object.entries(told).filter(([, owned]) => owned.length === slots));
  }

  /** Replaces the slots of a service, whatever they were; families that are not given have none. */
  setOwned(service: string, owned: OwnedSlots): void {
    const before = this.#told.get(service);
    if (before && before[4] === owned[4] && before[6] === owned[6]) return;
    this.#told.set(service, owned);
    this.#changed();
  }
}

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
