import { parseAddress } from '../net/address.ts';
import type { Table, Value } from '../ubus/blobmsg.ts';
import type { UbusClient } from '../ubus/client.ts';
import type { EventListener } from '../ubus/event-listener.ts';
import { Status, UbusError } from '../ubus/status.ts';
import type { Subscription } from '../ubus/subscription.ts';
import type { SetTimer, Timer } from '../ubus/transport.ts';

/** netifd's object for all interfaces; `network.interface.NAME` is the one of a single interface. */
const NETIFD_OBJECT = 'network.interface';
/** Milliseconds that netifd may take to answer. */
const TIMEOUT = 5000;
/** Milliseconds until netifd is asked again after it has failed to answer. */
const RETRY = 2000;

/** netifd's logical interfaces that are up, by name. */
export interface InterfaceState {
  /** Layer-3 device. */
  readonly device: string;
  /** Text of the addresses that netifd has given to it, of both families; empty where others do. */
  readonly addresses: readonly string[];
}

/**
 * netifd's logical interfaces (`wan` → `pppoe-wan`) and their addresses, as they come and go. Interfaces that are down
 * have none. Without a bus or without netifd it is empty; when either goes away later, what was known stays until there
 * is something newer, since the devices themselves are still there.
 */
export class LogicalInterfaces {
  readonly #client: UbusClient;
  readonly #setTimer: SetTimer;
  readonly #changed: (devices: ReadonlyMap<string, string>) => void;
  /** Called when nobody is asked any more. */
  readonly #waiting: (() => void)[] = [];
  readonly #subscription: Subscription;
  readonly #objects: EventListener;
  #state: ReadonlyMap<string, InterfaceState> = new Map();
  #asking = false;
  /** Something has happened since netifd was last asked. */
  #stale = false;
  #closed = false;
  #retry: Timer | undefined;

  /** `changed` is called with the devices whenever these, or addresses, differ from the old ones. The client stays the caller's. */
  constructor(client: UbusClient, setTimer: SetTimer, changed: (devices: ReadonlyMap<string, string>) => void) {
    this.#client = client;
    this.#setTimer = setTimer;
    this.#changed = changed;
    // netifd notifies `interface.update` and `interface.down`; the content is the status of one interface, but asking for
    // all of them cannot go wrong where notifications were lost.
    this.#subscription = client.subscribe(NETIFD_OBJECT, {
      notified: () => this.#refresh(),
      joined: () => this.#refresh(),
    });
    // An interface that is taken out of the configuration is not notified, but its object goes.
    this.#objects = client.listen('ubus.object.*', (_, { path }) => {
      if (typeof path === 'string' && path.startsWith(`${NETIFD_OBJECT}.`)) this.#refresh();
    });
  }

  /** Device by logical name. */
  get devices(): ReadonlyMap<string, string> {
    return new Map(Array.from(this.#state, ([name, { device }]) => [name, device]));
  }

  /** Addresses by logical name; see `InterfaceState`. */
  get addresses(): ReadonlyMap<string, readonly string[]> {
    return new Map(Array.from(this.#state, ([name, { addresses }]) => [name, addresses]));
  }

  /**
   * Asks netifd again: it changes the kernel's addresses first and tells of it afterwards, but whoever asks in between is
   * answered when it has done both.
   */
  refresh(): void {
    this.#refresh();
  }

  /** Resolves when netifd has answered all that it was asked, or cannot be asked, but after so many milliseconds in any case. */
  told(patience: number): Promise<void> {
    if (!this.#asking) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#setTimer(resolve, patience);
      this.#waiting.push(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** Stops following. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#subscription.cancel();
    this.#objects.cancel();
  }

  #refresh(): void {
    this.#stale = true;
    if (!this.#asking) void this.#ask();
  }

  async #ask(): Promise<void> {
    this.#retry?.cancel();
    this.#asking = true;
    try {
      while (this.#stale && !this.#closed) {
        this.#stale = false;
        const state = await this.#dump();
        if (state && !this.#closed) this.#take(state);
      }
    } finally {
      this.#asking = false;
      for (const resolve of this.#waiting.splice(0)) resolve();
    }
  }

  async #dump(): Promise<ReadonlyMap<string, InterfaceState> | undefined> {
    try {
      return interfacesIn(await this.#client.call(NETIFD_OBJECT, 'dump', {}, { timeout: TIMEOUT }));
    } catch (error) {
      const status = error instanceof UbusError ? error.status : Status.UNKNOWN_ERROR;
      // Without connection or object, the subscription will tell when there is one again.
      const away = status === Status.CONNECTION_FAILED || status === Status.NOT_FOUND;
      if (!away && !this.#closed) this.#retry = this.#setTimer(() => this.#refresh(), RETRY);
      return undefined;
    }
  }

  #take(state: ReadonlyMap<string, InterfaceState>): void {
    if (JSON.stringify([...state]) === JSON.stringify([...this.#state])) return;
    this.#state = state;
    this.#changed(this.devices);
  }
}

/** Reads the answer of `network.interface dump`; what has another form than netifd's is passed over. */
export function interfacesIn(dump: Table): ReadonlyMap<string, InterfaceState> {
  const found = tablesIn(dump.interface).flatMap((entry): [string, InterfaceState][] => {
    const { interface: name, l3_device: device, up } = entry;
    if (up !== true || typeof name !== 'string' || typeof device !== 'string') return [];
    return [[name, { device, addresses: addressesIn(entry) }]];
  });
  return new Map(found.sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** netifd tells those that it has been told (`ipv4-address`, `ipv6-address`) and its own of a delegated prefix apart. */
function addressesIn(entry: Table): string[] {
  const assigned = tablesIn(entry['ipv6-prefix-assignment']).flatMap((part) =>
    tablesIn([part['local-address'] ?? null]),
  );
  const told = [...tablesIn(entry['ipv4-address']), ...tablesIn(entry['ipv6-address']), ...assigned];
  const parsed = told.flatMap(({ address }) => (typeof address === 'string' ? (parseAddress(address) ?? []) : []));
  return parsed.map(({ text }) => text).sort();
}

function tablesIn(value: Value | undefined): Table[] {
  const list = Array.isArray(value) ? (value as readonly Value[]) : [];
  const isTable = (entry: Value) => typeof entry === 'object' && entry !== null && !Array.isArray(entry);
  return list.filter(isTable) as Table[];
}
