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

/**
 * The layer-3 devices of netifd's logical interfaces (`wan` → `pppoe-wan`), as they come and go. Interfaces that are down
 * have none. Without a bus or without netifd it is empty; when either goes away later, what was known stays until there
 * is something newer, since the devices themselves are still there.
 */
export class LogicalInterfaces {
  readonly #client: UbusClient;
  readonly #setTimer: SetTimer;
  readonly #changed: (devices: ReadonlyMap<string, string>) => void;
  readonly #subscription: Subscription;
  readonly #objects: EventListener;
  #devices: ReadonlyMap<string, string> = new Map();
  #asking = false;
  /** Something has happened since netifd was last asked. */
  #stale = false;
  #closed = false;
  #retry: Timer | undefined;

  /** `changed` is called with the new state whenever it differs from the old one. The client stays the caller's. */
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
    return this.#devices;
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
        const devices = await this.#dump();
        if (devices && !this.#closed) this.#take(devices);
      }
    } finally {
      this.#asking = false;
    }
  }

  async #dump(): Promise<ReadonlyMap<string, string> | undefined> {
    try {
      return devicesIn(await this.#client.call(NETIFD_OBJECT, 'dump', {}, { timeout: TIMEOUT }));
    } catch (error) {
      const status = error instanceof UbusError ? error.status : Status.UNKNOWN_ERROR;
      // Without connection or object, the subscription will tell when there is one again.
      const away = status === Status.CONNECTION_FAILED || status === Status.NOT_FOUND;
      if (!away && !this.#closed) this.#retry = this.#setTimer(() => this.#refresh(), RETRY);
      return undefined;
    }
  }

  #take(devices: ReadonlyMap<string, string>): void {
    if (sameDevices(devices, this.#devices)) return;
    this.#devices = devices;
    this.#changed(devices);
  }
}

/** Reads the answer of `network.interface dump`; what has another form than netifd's is passed over. */
export function devicesIn(dump: Table): ReadonlyMap<string, string> {
  const devices = new Map<string, string>();
  const list = dump.interface;
  for (const entry of Array.isArray(list) ? (list as readonly Value[]) : []) {
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) continue;
    const { interface: name, l3_device: device, up } = entry as Table;
    if (up === true && typeof name === 'string' && typeof device === 'string') devices.set(name, device);
  }
  return devices;
}

function sameDevices(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): boolean {
  return one.size === other.size && [...one].every(([name, device]) => other.get(name) === device);
}
