import type { Table } from './blobmsg.ts';
import { decodeTable } from './blobmsg.ts';
import type { Connection } from './connection.ts';
import type { IncomingCall } from './incoming.ts';
import type { Answering } from './object.ts';
import { answer, tableOf } from './object.ts';
import type { RegistrationContext } from './registration.ts';
import { Registration } from './registration.ts';
import { Status, UbusError } from './status.ts';

export interface Subscriber {
  /** A notification; what is returned or thrown answers it, where the publisher wants answers. */
  notified(type: string, data: Table): Answering;
  /** Subscribed, for the first time or again: what is known about the target may be out of date. */
  joined?(): void;
  /** The target is gone, or the bus is. */
  left?(): void;
}

const OBJECT_ADDED = 'ubus.object.add';

/** Our subscription to the object at a path. It holds on while the object is away, and takes it up again. */
export class Subscription extends Registration {
  readonly path: string;
  readonly #subscriber: Subscriber;
  /** Object that we are subscribed to, or are about to be. */
  #target: number | undefined;
  #joined = false;

  constructor(context: RegistrationContext, path: string, subscriber: Subscriber) {
    super(context);
    this.path = path;
    this.#subscriber = subscriber;
  }

  /** True while subscribed to an object. */
  get joined(): boolean {
    return this.#joined;
  }

  override detach(): void {
    super.detach();
    this.#leave();
  }

  override invoked(call: IncomingCall): void {
    if (call.caller !== 0) {
      answer(call, this.context.report, () => this.#subscriber.notified(call.method, tableOf(call)));
      return;
    }
    const { path, id } = (call.data && decodeTable(call.data)) ?? {};
    if (path !== this.path || typeof id !== 'number' || !this.connection) return;
    this.#join(this.connection, id >>> 0).catch((error: unknown) => {
      if (this.connection) this.context.report(`ubus: ${this.describe()}: ${String(error)}`);
    });
  }

  targetGone(target: number): void {
    if (target === this.#target) this.#leave();
  }

  protected override describe(): string {
    return `subscribing to ${this.path}`;
  }

  protected override async establish(connection: Connection): Promise<void> {
    const { timeout } = this.context;
    this.#target = undefined;
    this.objectId = await connection.addObject(this, timeout);
    // Before the look-up, so that an object that comes in between is not missed.
    await connection.registerEvents(this.objectId, OBJECT_ADDED, timeout).catch(unlessStatus(Status.PERMISSION_DENIED));
    const found = await connection.lookup(this.path, timeout).catch(unlessStatus(Status.NOT_FOUND));
    const target = found?.[0]?.id;
    if (target !== undefined) await this.#join(connection, target);
  }

  async #join(connection: Connection, target: number): Promise<void> {
    if (target === this.#target || this.objectId === undefined) return;
    this.#target = target;
    try {
      await connection.subscribe(this.objectId, target, this.context.timeout);
    } catch (error) {
      if (this.#target === target) this.#target = undefined;
      // Gone again already: its next coming is announced, too.
      return unlessStatus(Status.NOT_FOUND)(error);
    }
    if (this.#target !== target || this.connection !== connection) return;
    this.#joined = true;
    this.tell(() => this.#subscriber.joined?.());
  }

  #leave(): void {
    this.#target = undefined;
    if (!this.#joined) return;
    this.#joined = false;
    this.tell(() => this.#subscriber.left?.());
  }
}

/** Passes over an error with this status, and throws any other. */
function unlessStatus(status: number): (error: unknown) => undefined {
  return (error) => {
    if (error instanceof UbusError && error.status === status) return undefined;
    throw error;
  };
}
