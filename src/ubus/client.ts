import type { Table, WritableTable } from './blobmsg.ts';
import type { ObjectInfo, RequestOptions } from './connection.ts';
import { Connection } from './connection.ts';
import { EventListener } from './event-listener.ts';
import type { Methods } from './object.ts';
import { PublishedObject } from './published-object.ts';
import type { Registration, RegistrationContext } from './registration.ts';
import { Status, UbusError } from './status.ts';
import type { Subscriber } from './subscription.ts';
import { Subscription } from './subscription.ts';
import type { OpenTransport, SetTimer, Timer } from './transport.ts';

export interface UbusClientOptions {
  readonly open: OpenTransport;
  readonly setTimer: SetTimer;
  /** Gets one line for each thing that went wrong and that no promise tells: connections lost, refused registrations. */
  readonly report?: (problem: string) => void;
  /** Milliseconds that a request may take; default 30 000, like the `ubus` tool. */
  readonly timeout?: number;
}

/** Waits between attempts to connect, in milliseconds: the first, and the longest, to which it doubles. */
const FIRST_WAIT = 100;
const LONGEST_WAIT = 5000;
/** Milliseconds that ubusd may take to greet us, which it does at once. */
const HELLO_TIMEOUT = 5000;

/**
 * A client of ubusd that stays: it connects as often as needed, and on every connection sets up again what has been
 * published, listened to and subscribed to. Requests without a connection fail at once with CONNECTION_FAILED.
 */
export class UbusClient {
  readonly #options: UbusClientOptions;
  readonly #context: RegistrationContext;
  readonly #registrations = new Set<Registration>();
  #connection: Connection | undefined;
  #ready = false;
  /** Ready, and every registration tried. */
  #settled = false;
  #closed = true;
  #wait = FIRST_WAIT;
  #complained = false;
  /** By turns: until the next attempt; until HELLO must have come; until a connection has proved good. */
  #timer: Timer | undefined;
  #waiters: (() => void)[] = [];

  constructor(options: UbusClientOptions) {
    this.#options = options;
    this.#context = {
      setTimer: options.setTimer,
      timeout: options.timeout ?? 30000,
      report: (problem) => options.report?.(problem),
      forget: (registration) => this.#registrations.delete(registration),
    };
  }

  /** True while there is a connection on which requests may be sent. */
  get connected(): boolean {
    return this.#ready;
  }

  /** Begins to connect, now and whenever the connection is lost. */
  connect(): void {
    if (!this.#closed) return;
    this.#closed = false;
    this.#attempt();
  }

  /** Hangs up for good; registrations are kept for another `connect`. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#connection?.close();
    this.#detach();
  }

  /** Resolves when there is a connection and everything has been registered on it, or refused; at once where that is so. */
  whenReady(): Promise<void> {
    return this.#settled ? Promise.resolve() : new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Objects at a path, under a prefix (`network.*`), or all of them. NOT_FOUND where there is none. */
  async lookup(path?: string): Promise<readonly ObjectInfo[]> {
    return this.#connected().lookup(path, this.#context.timeout);
  }

  /**
   * Looks the object up and calls its method. Returns the last table of the answer, or an empty one. Look-up and call
   * may each take the time-out. An object that exists, but is hidden from us, is PERMISSION_DENIED.
   */
  async call(
    path: string,
    method: string,
    args: WritableTable = {},
    options: Partial<RequestOptions> = {},
  ): Promise<Table> {
    const request = { timeout: this.#context.timeout, ...options };
    try {
      const connection = this.#connected();
      const [object] = await connection.lookup(path, request.timeout);
      if (!object) throw new UbusError(Status.PERMISSION_DENIED);
      return await connection.invoke(object.id, method, args, request);
    } catch (error) {
      throw error instanceof UbusError ? new UbusError(error.status, `${path} ${method}`, error.data) : error;
    }
  }

  /** Sends an event to whoever listens. Names that begin with `ubus.` are PERMISSION_DENIED. */
  async sendEvent(name: string, data: WritableTable = {}): Promise<void> {
    await this.#connected().sendEvent(name, data, this.#context.timeout);
  }

  /** Publishes an object. `subscribersChanged` hears when the first subscriber comes and the last goes. */
  publish(path: string, methods: Methods, subscribersChanged?: (active: boolean) => void): PublishedObject {
    return this.#register(new PublishedObject(this.#context, path, methods, subscribersChanged));
  }

  /** Listens to events: those of a name, or of all that begin alike (`network.*`). Our own do not come back to us. */
  listen(pattern: string, received: (name: string, data: Table) => void): EventListener {
    return this.#register(new EventListener(this.#context, pattern, received));
  }

  /** Subscribes to the object at a path, which need not be there yet, and again whenever it returns. */
  subscribe(path: string, subscriber: Subscriber): Subscription {
    return this.#register(new Subscription(this.#context, path, subscriber));
  }

  #register<Kind extends Registration>(registration: Kind): Kind {
    this.#registrations.add(registration);
    if (this.#ready && this.#connection) void registration.attach(this.#connection);
    return registration;
  }

  #connected(): Connection {
    if (!this.#connection || !this.#ready) throw new UbusError(Status.CONNECTION_FAILED);
    return this.#connection;
  }

  #attempt(): void {
    try {
      const connection: Connection = new Connection(this.#options.open, this.#options.setTimer, {
        ready: () => this.#greeted(connection),
        closed: (reason) => this.#lost(reason),
        report: this.#context.report,
      });
      this.#connection = connection;
      this.#timer = this.#options.setTimer(() => connection.abort('no HELLO'), HELLO_TIMEOUT);
    } catch (error) {
      this.#lost(error instanceof Error ? error.message : String(error));
    }
  }

  #greeted(connection: Connection): void {
    this.#ready = true;
    this.#complained = false;
    this.#timer?.cancel();
    // A connection that does not last must not make us hammer at ubusd.
    this.#timer = this.#options.setTimer(() => (this.#wait = FIRST_WAIT), LONGEST_WAIT);
    void this.#settle(
      connection,
      [...this.#registrations].map((registration) => registration.attach(connection)),
    );
  }

  async #settle(connection: Connection, attempts: Promise<void>[]): Promise<void> {
    await Promise.all(attempts);
    if (connection !== this.#connection) return;
    this.#settled = true;
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  #lost(reason: string): void {
    this.#timer?.cancel();
    if (!this.#complained)
      this.#context.report(`ubus: ${this.#ready ? 'connection lost' : 'no connection'}: ${reason}; trying again`);
    this.#complained = true;
    this.#detach();
    if (this.#closed) return;
    this.#timer = this.#options.setTimer(() => this.#attempt(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
  }

  #detach(): void {
    if (this.#ready) for (const registration of this.#registrations) registration.detach();
    this.#connection = undefined;
    this.#ready = false;
    this.#settled = false;
  }
}
