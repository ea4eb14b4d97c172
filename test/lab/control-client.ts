import type { Table, WritableTable } from '../../src/ubus/blobmsg.ts';
import type { UbusClient } from '../../src/ubus/client.ts';
import { LabBus } from './bus.ts';
import type { Lab } from './lab.ts';
import { clock } from './traffic-load.ts';

/** A change that the daemon has told of by the event `oneip`. */
export interface Heard {
  /** Milliseconds of `clock`. */
  readonly time: number;
  readonly action: string;
  readonly service?: string;
  readonly server?: string;
  readonly reason?: string;
}

/** What tests look at of `status`. */
export interface StatusReply {
  readonly failing?: string;
  readonly services: Readonly<Record<string, ServiceReply>>;
}

export interface ServiceReply {
  readonly running: boolean;
  readonly transition?: {
    readonly slots: number;
    readonly until: number;
    readonly kept: Readonly<Record<string, { readonly packets: number | bigint; readonly idle: number }>>;
  };
  readonly flows?: { readonly limit: number; readonly overflow: number | bigint };
  readonly servers: Readonly<Record<string, ServerReply>>;
}

export interface ServerReply {
  readonly state: string;
  readonly decider: string;
  readonly reason: string;
  readonly since: number;
  readonly until?: number;
  readonly weight: number;
  readonly effective_weight?: number;
  readonly share: number;
  readonly slots: number;
  readonly connections?: number;
  readonly packets: number | bigint;
  readonly added: boolean;
  readonly removing: boolean;
  readonly damped: boolean;
  readonly probe?: {
    readonly passed: boolean;
    readonly reason: string;
    readonly latency?: number;
    readonly age: number;
  };
  readonly report?: {
    readonly age: number;
    readonly well?: boolean;
    readonly current: boolean;
    readonly script?: number;
  };
}

interface Waiter {
  offer(event: Heard): void;
}

/** Somebody on the bus who commands the daemon, and hears what it tells. */
export class ControlClient {
  /** Everything heard so far, in order. */
  readonly events: Heard[] = [];
  readonly #client: UbusClient;
  readonly #waiters = new Set<Waiter>();
  readonly #listeners: ((event: Heard) => void)[] = [];

  private constructor(client: UbusClient) {
    this.#client = client;
  }

  /** Resolves once the daemon is on the bus; rejects after `timeout` milliseconds. */
  static async join(bus: LabBus, timeout = 10_000): Promise<ControlClient> {
    const client = bus.client();
    const control = new ControlClient(client);
    await client.listen('oneip', (_, data) => control.#hear(data)).whenEstablished();
    await within(
      'the daemon on the bus',
      timeout,
      new Promise<void>((joined) => client.subscribe('oneip', { notified: () => undefined, joined })),
    );
    return control;
  }

  async status(service?: string): Promise<StatusReply> {
    const reply = await this.#client.call('oneip', 'status', service === undefined ? {} : { service });
    return reply as unknown as StatusReply;
  }

  /** The state of a service, which must be there. */
  async service(name: string): Promise<ServiceReply> {
    const found = (await this.status(name)).services[name];
    if (!found) throw new Error(`no service '${name}' in the status`);
    return found;
  }

  /** The state of a server in a service; both must be there. */
  async server(service: string, name: string): Promise<ServerReply> {
    const found = (await this.service(service)).servers[name];
    if (!found) throw new Error(`no server '${name}' in the status of '${service}'`);
    return found;
  }

  /** Calls a method of the object `oneip`; resolves when the kernel holds what was ordered, rejects with `UbusError`. */
  order(method: string, args: WritableTable): Promise<Table> {
    return this.#client.call('oneip', method, args);
  }

  /** Sends an event, as `ubus send` does. */
  send(name: string, data: WritableTable): Promise<void> {
    return this.#client.sendEvent(name, data);
  }

  /** Called for every event from now on. */
  onEvent(listener: (event: Heard) => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Resolves with the first event that matches, of those heard since there were `from` (default: from now on); rejects after
   * `timeout` milliseconds.
   */
  until(match: (event: Heard) => boolean, timeout = 5_000, from = this.events.length): Promise<Heard> {
    const past = this.events.slice(from).find(match);
    if (past) return Promise.resolve(past);
    return new Promise((resolve, reject) => {
      const waiter = {
        offer: (event: Heard) => {
          if (!match(event)) return;
          clearTimeout(timer);
          this.#waiters.delete(waiter);
          resolve(event);
        },
      };
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        const heard = this.events.slice(from).map(({ action, server, reason }) => `${action} ${server}: ${reason}`);
        reject(new Error(`no such event within ${timeout} ms: ${match.toString()}\nheard: ${heard.join('; ')}`));
      }, timeout);
      this.#waiters.add(waiter);
    });
  }

  /** The event that a server has got a state, or another action about it. */
  told(action: string, server: string, timeout?: number, from?: number): Promise<Heard> {
    return this.until((event) => event.action === action && event.server === server, timeout, from);
  }

  close(): void {
    this.#client.close();
  }

  #hear(data: Table): void {
    const event = { ...(data as unknown as Heard), time: clock() };
    this.events.push(event);
    for (const listener of this.#listeners) listener(event);
    for (const waiter of [...this.#waiters]) waiter.offer(event);
  }
}

/** Runs the daemon beside a bus, and a body with somebody on it. */
export async function withControl(
  lab: Lab,
  config: string,
  body: (control: ControlClient) => Promise<void>,
): Promise<void> {
  const bus = await LabBus.start(lab.daemon.ubusSocket, {});
  try {
    await lab.daemon.start(config);
    const control = await ControlClient.join(bus);
    await body(control);
    control.close();
  } finally {
    await bus.stop();
  }
}

/** The promise's result; rejects where that takes longer than `timeout` milliseconds. */
export async function within<T>(what: string, timeout: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${timeout} ms`)), timeout);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
