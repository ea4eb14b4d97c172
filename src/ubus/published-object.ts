import type { WritableTable } from './blobmsg.ts';
import type { Connection } from './connection.ts';
import type { SubscriberAnswer } from './exchange.ts';
import type { IncomingCall } from './incoming.ts';
import type { Methods } from './object.ts';
import { callMethod, encodeSignature } from './object.ts';
import type { RegistrationContext } from './registration.ts';
import { Registration } from './registration.ts';

/** An object of ours, to be called and subscribed to by others under its path. */
export class PublishedObject extends Registration {
  readonly path: string;
  readonly #methods: Methods;
  readonly #subscribersChanged: ((active: boolean) => void) | undefined;
  #hasSubscribers = false;

  constructor(
    context: RegistrationContext,
    path: string,
    methods: Methods,
    subscribersChanged?: (active: boolean) => void,
  ) {
    super(context);
    this.path = path;
    this.#methods = methods;
    this.#subscribersChanged = subscribersChanged;
  }

  get hasSubscribers(): boolean {
    return this.#hasSubscribers;
  }

  /** Tells the subscribers, without waiting for answers. Does nothing where there are none. */
  notify(type: string, data: WritableTable): void {
    if (this.#hasSubscribers && this.connection && this.objectId !== undefined) {
      this.connection.notify(this.objectId, type, data);
    }
  }

  /** Tells the subscribers and collects their answers, for at most `timeout` milliseconds. */
  async ask(type: string, data: WritableTable, timeout = this.context.timeout): Promise<readonly SubscriberAnswer[]> {
    if (!this.#hasSubscribers || !this.connection || this.objectId === undefined) return [];
    return this.connection.ask(this.objectId, type, data, timeout);
  }

  override detach(): void {
    super.detach();
    this.subscribersChanged(false);
  }

  override invoked(call: IncomingCall): void {
    callMethod(this.#methods, call, this.context.report);
  }

  subscribersChanged(active: boolean): void {
    if (active === this.#hasSubscribers) return;
    this.#hasSubscribers = active;
    this.tell(() => this.#subscribersChanged?.(active));
  }

  protected override describe(): string {
    return `publishing ${this.path}`;
  }

  protected override async establish(connection: Connection): Promise<void> {
    this.objectId = await connection.addObject(this, this.context.timeout, this.path, encodeSignature(this.#methods));
  }
}
