import type { Connection } from './connection.ts';
import type { IncomingCall, ObjectReceiver } from './incoming.ts';
import { Status, UbusError, describeError } from './status.ts';
import type { SetTimer, Timer } from './transport.ts';

/** What registrations share with the client that made them. */
export interface RegistrationContext {
  readonly setTimer: SetTimer;
  /** Milliseconds that each request may take. */
  readonly timeout: number;
  readonly report: (problem: string) => void;
  readonly forget: (registration: Registration) => void;
}

/** Milliseconds until ubusd is asked again for what it has refused (a path that is still taken, say). */
const RETRY = 5000;

/**
 * Something of ours on the bus that hangs on an object. ubusd forgets it with every connection, so it is set up anew on
 * each, and tried again where ubusd refuses.
 */
export abstract class Registration implements ObjectReceiver {
  protected readonly context: RegistrationContext;
  protected connection: Connection | undefined;
  /** Our object, new on every connection. */
  protected objectId: number | undefined;
  #retry: Timer | undefined;
  #complained = false;
  #cancelled = false;
  #established = false;
  #waiters: (() => void)[] = [];

  constructor(context: RegistrationContext) {
    this.context = context;
  }

  /** True while it is set up on the bus. */
  get established(): boolean {
    return this.#established;
  }

  /** Resolves once it is set up on the bus; at once where it is. Stays open for ever after `cancel`. */
  whenEstablished(): Promise<void> {
    if (this.#established) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Takes it off the bus for good. Idempotent. */
  cancel(): void {
    this.#cancelled = true;
    const { connection } = this;
    this.detach();
    if (connection) this.#removeObject(connection);
    this.context.forget(this);
  }

  /** For the client: a new connection is ready. Resolves when the first attempt is over, well or not. */
  async attach(connection: Connection): Promise<void> {
    this.connection = connection;
    this.objectId = undefined;
    this.#complained = false;
    await this.#attempt(connection);
  }

  /** For the client: the connection is gone. */
  detach(): void {
    this.connection = undefined;
    this.#established = false;
    this.#retry?.cancel();
  }

  abstract invoked(call: IncomingCall): void;

  /** What it is, for reports. */
  protected abstract describe(): string;

  /** Asks for all that is needed; leaves the object's id in `objectId` as soon as there is one. */
  protected abstract establish(connection: Connection): Promise<void>;

  /** Runs code of whoever registered: what it throws is reported, and disturbs nothing else. */
  protected tell(code: () => void): void {
    try {
      code();
    } catch (error) {
      this.context.report(`ubus: ${this.describe()}: ${describeError(error)}`);
    }
  }

  async #attempt(connection: Connection): Promise<void> {
    try {
      await this.establish(connection);
      if (this.connection === connection) this.#succeeded();
      else if (this.#cancelled) this.#removeObject(connection);
    } catch (error) {
      this.#removeObject(connection);
      if (this.connection === connection) this.#failed(connection, error);
    }
  }

  #succeeded(): void {
    this.#established = true;
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  #failed(connection: Connection, error: unknown): void {
    if (error instanceof UbusError && error.status === Status.CONNECTION_FAILED) return;
    if (!this.#complained) this.context.report(`ubus: ${this.describe()}: ${String(error)}; trying again`);
    this.#complained = true;
    this.#retry = this.context.setTimer(() => void this.#attempt(connection), RETRY);
  }

  #removeObject(connection: Connection): void {
    if (this.objectId === undefined) return;
    // Whether that succeeds makes no difference: at worst ubusd keeps an idle object until we hang up.
    connection.removeObject(this.objectId, this.context.timeout).catch(() => undefined);
    this.objectId = undefined;
  }
}
