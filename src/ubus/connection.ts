import type { Table, WritableTable } from './blobmsg.ts';
import { decodeTable, encodeTable, int32 } from './blobmsg.ts';
import type { Exchange, SubscriberAnswer } from './exchange.ts';
import { NotifyExchange, RequestExchange } from './exchange.ts';
import { MessageReader } from './framing.ts';
import type { ObjectReceiver } from './incoming.ts';
import { IncomingCall } from './incoming.ts';
import type { Message, MessageAttributes } from './message.ts';
import { MessageType, encodeMessage } from './message.ts';
import { Status, UbusError, describeError } from './status.ts';
import type { OpenTransport, SetTimer, Timer, Transport } from './transport.ts';

/** ubusd's own object for events. */
const EVENT_OBJECT = 1;
/** Far below the 65536 that `seq` can tell apart, so that a free number is soon found. */
const MAX_WAITING = 4096;

export interface ConnectionListener {
  /** ubusd has greeted us; requests may be sent. */
  ready(): void;
  /** The connection has ended, other than by our own `close`. Called once. */
  closed(reason: string): void;
  /** Something went wrong that ends nothing: one line. */
  report(problem: string): void;
}

/** An object as LOOKUP shows it. */
export interface ObjectInfo {
  readonly path: string;
  readonly id: number;
  readonly type: number;
  /** For each method its arguments with their blobmsg types (numbers). */
  readonly signature: Table;
}

export interface RequestOptions {
  /** Milliseconds until the request fails with TIMEOUT. */
  readonly timeout: number;
  /** Sees every DATA message of the answer, of which a call returns only the last. */
  readonly data?: (table: Table) => void;
}

interface Waiting {
  readonly exchange: Exchange;
  readonly timer: Timer;
}

/**
 * One connection to ubusd, from HELLO to its end. Requests return promises that reject with `UbusError`; nothing that
 * the peer sends makes it throw.
 */
export class Connection {
  readonly #listener: ConnectionListener;
  readonly #setTimer: SetTimer;
  readonly #transport: Transport;
  readonly #reader = new MessageReader();
  readonly #waiting = new Map<number, Waiting>();
  readonly #objects = new Map<number, ObjectReceiver>();
  #seq = 0;
  #clientId: number | undefined;
  #closed = false;

  /** Throws what `open` throws. */
  constructor(open: OpenTransport, setTimer: SetTimer, listener: ConnectionListener) {
    this.#listener = listener;
    this.#setTimer = setTimer;
    this.#transport = open({
      received: (bytes) => this.#received(bytes),
      closed: (reason) => this.#end(reason, true),
    });
  }

  /** Our id on the bus; `undefined` before HELLO. */
  get clientId(): number | undefined {
    return this.#clientId;
  }

  /** Hangs up; what is still waiting fails with CONNECTION_FAILED. Idempotent. */
  close(): void {
    this.#end('closed', false);
  }

  /** Hangs up and tells the listener why. */
  abort(reason: string): void {
    this.#end(reason, true);
  }

  /** Objects at a path, or under a prefix where it ends in `*`; all without one. None found is NOT_FOUND. */
  async lookup(path: string | undefined, timeout: number): Promise<readonly ObjectInfo[]> {
    const found: ObjectInfo[] = [];
    await this.#request(
      MessageType.lookup,
      path === undefined ? {} : { objectPath: path },
      timeout,
      ({ attributes }) => {
        const { objectPath, objectId, objectType, signature } = attributes;
        if (objectPath === undefined || objectId === undefined) return;
        found.push({
          path: objectPath,
          id: objectId,
          type: objectType ?? 0,
          signature: (signature && decodeTable(signature)) ?? {},
        });
      },
    );
    return found;
  }

  /**
   * Calls a method. Returns the last table of the answer, or an empty one. Data that came with a status other than OK
   * is in the error.
   */
  async invoke(objectId: number, method: string, args: WritableTable, options: RequestOptions): Promise<Table> {
    let last: Table | undefined;
    let malformed = false;
    const attributes = { objectId, method, data: encodeTable(args) };
    try {
      await this.#request(MessageType.invoke, attributes, options.timeout, (message) => {
        const table = message.attributes.data && decodeTable(message.attributes.data);
        if (table) options.data?.(table);
        else malformed = true;
        last = table ?? last;
      });
    } catch (error) {
      throw error instanceof UbusError && last ? new UbusError(error.status, undefined, last) : error;
    }
    if (malformed) throw new UbusError(Status.PARSE_ERROR);
    return last ?? {};
  }

  /** Gets an object of our own, anonymous without a path; returns its id. The receiver is called from then on. */
  async addObject(receiver: ObjectReceiver, timeout: number, path?: string, signature?: Uint8Array): Promise<number> {
    let id: number | undefined;
    const attributes = { ...(path !== undefined && { objectPath: path }), ...(signature && { signature }) };
    await this.#request(MessageType.addObject, attributes, timeout, (message) => {
      // Registered while the answer is read: the first call may be in the same piece of the stream.
      id = message.attributes.objectId;
      if (id !== undefined) this.#objects.set(id, receiver);
    });
    if (id === undefined) throw new UbusError(Status.NO_DATA);
    return id;
  }

  async removeObject(objectId: number, timeout: number): Promise<void> {
    this.#objects.delete(objectId);
    await this.#request(MessageType.removeObject, { objectId }, timeout);
  }

  /** Subscribes our object to another client's. Doing so twice delivers twice. */
  async subscribe(objectId: number, target: number, timeout: number): Promise<void> {
    await this.#request(MessageType.subscribe, { objectId, target }, timeout);
  }

  /** Has events whose name matches delivered to our object: an exact name, or a prefix and `*`. */
  async registerEvents(objectId: number, pattern: string, timeout: number): Promise<void> {
    await this.invoke(EVENT_OBJECT, 'register', { object: int32(objectId), pattern }, { timeout });
  }

  /** Sends an event to whoever listens. Names that begin with `ubus.` are PERMISSION_DENIED. */
  async sendEvent(id: string, data: WritableTable, timeout: number): Promise<void> {
    await this.invoke(EVENT_OBJECT, 'send', { id, data }, { timeout });
  }

  /** Notifies the subscribers of our object without asking for answers; false where it could not be sent. */
  notify(objectId: number, type: string, data: WritableTable): boolean {
    const attributes = { objectId, method: type, data: encodeTable(data), noReply: true };
    return this.#send({ type: MessageType.notify, seq: this.#nextSeq(), peer: objectId, attributes });
  }

  /** Notifies the subscribers of our object and waits for what each answers. */
  async ask(
    objectId: number,
    type: string,
    data: WritableTable,
    timeout: number,
  ): Promise<readonly SubscriberAnswer[]> {
    const exchange = new NotifyExchange(objectId);
    this.#begin(MessageType.notify, objectId, { objectId, method: type, data: encodeTable(data) }, exchange, timeout);
    return exchange.done;
  }

  async #request(
    type: number,
    attributes: MessageAttributes,
    timeout: number,
    data: (message: Message) => void = () => undefined,
  ): Promise<void> {
    // The answers to an INVOKE come from the object; those of ubusd itself repeat the peer that we sent.
    const peer = type === MessageType.invoke ? (attributes.objectId ?? 0) : 0;
    const exchange = new RequestExchange(peer, data);
    this.#begin(type, peer, attributes, exchange, timeout);
    return exchange.done;
  }

  #begin(type: number, peer: number, attributes: MessageAttributes, exchange: Exchange, timeout: number): void {
    if (this.#clientId === undefined || this.#closed) return exchange.abandoned(Status.CONNECTION_FAILED);
    if (this.#waiting.size >= MAX_WAITING) return exchange.abandoned(Status.NO_MEMORY, 'too many requests are waiting');
    const seq = this.#nextSeq();
    const bytes = encodeMessage({ type, seq, peer, attributes });
    const timer = this.#setTimer(() => {
      this.#waiting.delete(seq);
      exchange.abandoned(Status.TIMEOUT);
    }, timeout);
    this.#waiting.set(seq, { exchange, timer });
    if (this.#transport.send(bytes) || this.#closed) return;
    timer.cancel();
    this.#waiting.delete(seq);
    exchange.abandoned(Status.NO_MEMORY, 'too much is waiting to be sent');
  }

  /** A number that no waiting request has; late answers to earlier ones find nobody. */
  #nextSeq(): number {
    do this.#seq = (this.#seq + 1) & 0xffff;
    while (this.#waiting.has(this.#seq));
    return this.#seq;
  }

  #send(message: Message): boolean {
    const bytes = encodeMessage(message);
    return !this.#closed && this.#transport.send(bytes);
  }

  #received(bytes: Uint8Array): void {
    const lost = this.#reader.push(bytes, (message) => {
      if (this.#closed) return;
      try {
        this.#handle(message);
      } catch (error) {
        this.#listener.report(`ubus: ${describeError(error)}`);
      }
    });
    if (lost !== undefined) this.#end(`framing lost: ${lost}`, true);
  }

  #handle(message: Message): void {
    const { type, seq, peer, attributes } = message;
    if (type === MessageType.hello && this.#clientId === undefined) {
      this.#clientId = peer;
      return this.#listener.ready();
    }
    if (type === MessageType.status || type === MessageType.data) {
      const waiting = this.#waiting.get(seq);
      if (!waiting?.exchange.received(message)) return;
      waiting.timer.cancel();
      this.#waiting.delete(seq);
      return;
    }
    const receiver = this.#objects.get(attributes.objectId ?? 0);
    if (type === MessageType.invoke) {
      const call = new IncomingCall(message, (answer) => this.#send(answer));
      if (receiver) receiver.invoked(call);
      else call.finish(Status.NOT_FOUND);
    } else if (type === MessageType.notify && attributes.active !== undefined) {
      receiver?.subscribersChanged?.(attributes.active);
    } else if (type === MessageType.unsubscribe && attributes.target !== undefined) {
      receiver?.targetGone?.(attributes.target);
    }
  }

  #end(reason: string, tell: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#transport.close();
    for (const { exchange, timer } of this.#waiting.values()) {
      timer.cancel();
      exchange.abandoned(Status.CONNECTION_FAILED, reason);
    }
    this.#waiting.clear();
    this.#objects.clear();
    if (tell) this.#listener.closed(reason);
  }
}
