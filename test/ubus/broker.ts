/**
 * A stand-in for ubusd in tests: behaves as ubusd does towards clients that run as root. Left out are access control,
 * the monitor, and descriptors that travel along.
 */
import type { Table, Writable } from '../../src/ubus/blobmsg.ts';
import { decodeTable, encodeTable, int32 } from '../../src/ubus/blobmsg.ts';
import { MessageReader } from '../../src/ubus/framing.ts';
import type { Message, MessageAttributes } from '../../src/ubus/message.ts';
import { MessageType, encodeMessage } from '../../src/ubus/message.ts';
import { Status } from '../../src/ubus/status.ts';

/** The broker's end of a client's connection. */
export interface BrokerStream {
  /** Bytes taken, as send(2) would; fewer than given where the client does not read. */
  write(bytes: Uint8Array): number;
  close(): void;
}

/** Bytes that wait for one client at most; whole messages beyond that are dropped without a sign. */
const QUEUE_LIMIT = 1048576;
const FIRST_ID = 1024;
const EVENT_OBJECT = 1;

interface BusObject {
  readonly id: number;
  readonly client: BrokerClient;
  readonly path: string | undefined;
  readonly type: BusType | undefined;
  readonly patterns: string[];
  readonly subscribers: BusObject[];
  seq: number;
}

interface BusType {
  readonly id: number;
  readonly signature: Uint8Array;
  users: number;
}

/** What a request comes to: a status to answer with, or nothing more from the broker. */
type Outcome = number | undefined;

export class Broker {
  readonly objects = new Map<number, BusObject>();
  readonly types = new Map<number, BusType>();
  readonly clients = new Map<number, BrokerClient>();
  /** Messages dropped because a client did not read. */
  dropped = 0;
  #lastId = FIRST_ID;
  #eventSeq = 0;

  /** A client has connected; it is greeted at once. */
  accept(stream: BrokerStream): BrokerClient {
    const client = new BrokerClient(this, this.newId(), stream);
    this.clients.set(client.id, client);
    client.send({ type: MessageType.hello, seq: 0, peer: client.id, attributes: {} });
    return client;
  }

  /** Ends all connections, as when ubusd is stopped. */
  stop(): void {
    for (const client of [...this.clients.values()]) client.hangUp();
  }

  /** Spread over 32 bits (a multiplicative hash of a counter), so that half of the ids have the highest bit set. */
  newId(): number {
    return (Math.imul(this.#lastId++, 0x9e3779b1) | FIRST_ID) >>> 0;
  }

  byPath(path: string): BusObject | undefined {
    return [...this.objects.values()].find((object) => object.path === path);
  }

  remove(object: BusObject): void {
    for (const target of this.objects.values()) {
      while (target.subscribers.includes(object)) this.unsubscribe(object, target);
    }
    for (const subscriber of [...object.subscribers]) {
      const attributes = { objectId: subscriber.id, target: object.id };
      subscriber.client.send({ type: MessageType.unsubscribe, seq: ++subscriber.seq, peer: 0, attributes });
      this.unsubscribe(subscriber, object);
    }
    this.objects.delete(object.id);
    this.announce('ubus.object.remove', object);
    if (object.type && --object.type.users === 0) this.types.delete(object.type.id);
  }

  unsubscribe(subscriber: BusObject, target: BusObject): void {
    target.subscribers.splice(target.subscribers.indexOf(subscriber), 1);
    if (target.subscribers.length === 0) this.tellActive(target, false);
  }

  tellActive(target: BusObject, active: boolean): void {
    target.client.send({
      type: MessageType.notify,
      seq: ++target.seq,
      peer: 0,
      attributes: { objectId: target.id, active },
    });
  }

  announce(event: string, object: BusObject): void {
    if (object.path !== undefined) this.deliver(event, encodeTable({ id: int32(object.id), path: object.path }));
  }

  deliver(event: string, data: Uint8Array, sender?: BrokerClient): void {
    for (const object of this.objects.values()) {
      if (object.client === sender || !object.patterns.some((pattern) => matches(event, pattern))) continue;
      const attributes = { objectId: object.id, method: event, data };
      object.client.send({ type: MessageType.invoke, seq: ++this.#eventSeq & 0xffff, peer: 0, attributes });
    }
  }
}

function matches(name: string, pattern: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

export class BrokerClient {
  readonly id: number;
  readonly #broker: Broker;
  readonly #stream: BrokerStream;
  readonly #reader = new MessageReader();
  #queue: Uint8Array[] = [];
  #queued = 0;
  #gone = false;

  constructor(broker: Broker, id: number, stream: BrokerStream) {
    this.#broker = broker;
    this.id = id;
    this.#stream = stream;
  }

  received(bytes: Uint8Array): void {
    const lost = this.#reader.push(bytes, (message) => {
      if (!this.#gone) this.#handle(message);
    });
    if (lost !== undefined) this.hangUp();
  }

  /** The stream takes bytes again. */
  writable(): void {
    while (!this.#gone) {
      const [first] = this.#queue;
      if (!first) return;
      const taken = Math.max(0, this.#stream.write(first));
      this.#queued -= taken;
      if (taken < first.length) {
        this.#queue[0] = first.subarray(taken);
        return;
      }
      this.#queue.shift();
    }
  }

  /** The client has gone. */
  closed(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#broker.clients.delete(this.id);
    for (const object of this.#broker.objects.values()) if (object.client === this) this.#broker.remove(object);
  }

  hangUp(): void {
    this.#stream.close();
    this.closed();
  }

  send(message: Message): void {
    if (this.#gone) return;
    this.sendBytes(encodeMessage(message));
  }

  /** Bytes as they are, also such as ubusd would never send. */
  sendBytes(bytes: Uint8Array): void {
    if (this.#queued > 0 && this.#queued + bytes.length > QUEUE_LIMIT) {
      this.#broker.dropped++;
      return;
    }
    this.#queue.push(bytes);
    this.#queued += bytes.length;
    if (this.#queue.length === 1) this.writable();
  }

  #handle(message: Message): void {
    const status = this.#request(message);
    if (status !== undefined) this.#answer(MessageType.status, message, { status });
  }

  #answer(type: number, { seq, peer }: Message, attributes: MessageAttributes): void {
    this.send({ type, seq, peer, attributes });
  }

  #request(message: Message): Outcome {
    switch (message.type) {
      case MessageType.ping:
        this.#answer(MessageType.data, message, message.attributes);
        return Status.OK;
      case MessageType.lookup:
        return this.#lookup(message);
      case MessageType.invoke:
        return this.#invoke(message);
      case MessageType.status:
      case MessageType.data:
        return this.#respond(message);
      case MessageType.addObject:
        return this.#addObject(message);
      case MessageType.removeObject:
        return this.#removeObject(message);
      case MessageType.subscribe:
        return this.#subscribe(message);
      case MessageType.unsubscribe:
        return this.#unsubscribe(message);
      case MessageType.notify:
        return this.#notify(message);
      default:
        return Status.INVALID_COMMAND;
    }
  }

  #lookup(message: Message): Outcome {
    const wanted = message.attributes.objectPath;
    if (wanted === '') return Status.INVALID_ARGUMENT;
    const found = [...this.#broker.objects.values()]
      .filter(({ path }) => path !== undefined && matches(path, wanted ?? '*'))
      .sort((one, other) => ((one.path ?? '') < (other.path ?? '') ? -1 : 1));
    for (const { path = '', id, type } of found) {
      // An object without a type exists, but is never shown.
      if (!type) continue;
      const attributes = { objectPath: path, objectId: id, objectType: type.id, signature: type.signature };
      this.#answer(MessageType.data, message, attributes);
    }
    return found.length === 0 && wanted !== undefined ? Status.NOT_FOUND : Status.OK;
  }

  #addObject(message: Message): Outcome {
    const { objectPath: path, objectType, signature } = message.attributes;
    const type = this.#typeFor(objectType, signature);
    if (path !== undefined && this.#broker.byPath(path)) return Status.INVALID_ARGUMENT;
    if (type) type.users++;
    const object: BusObject = {
      id: this.#broker.newId(),
      client: this,
      path,
      type,
      patterns: [],
      subscribers: [],
      seq: 0,
    };
    this.#broker.objects.set(object.id, object);
    this.#broker.announce('ubus.object.add', object);
    const typeId = objectType === undefined && type ? { objectType: type.id } : {};
    this.#answer(MessageType.data, message, { objectId: object.id, ...typeId });
    return Status.OK;
  }

  #typeFor(id: number | undefined, signature: Uint8Array | undefined): BusType | undefined {
    if (id !== undefined) return this.#broker.types.get(id);
    if (!signature || !decodeTable(signature)) return undefined;
    const type = { id: this.#broker.newId(), signature, users: 0 };
    this.#broker.types.set(type.id, type);
    return type;
  }

  #removeObject(message: Message): Outcome {
    const { objectId } = message.attributes;
    if (objectId === undefined) return Status.INVALID_ARGUMENT;
    const object = this.#broker.objects.get(objectId);
    if (!object) return Status.NOT_FOUND;
    if (object.client !== this) return Status.PERMISSION_DENIED;
    const typeId = object.type?.users === 1 ? { objectType: object.type.id } : {};
    this.#answer(MessageType.data, message, { objectId, ...typeId });
    this.#broker.remove(object);
    return Status.OK;
  }

  #invoke(message: Message): Outcome {
    const { objectId, method, data } = message.attributes;
    if (objectId === undefined || method === undefined) return Status.INVALID_ARGUMENT;
    if (objectId === EVENT_OBJECT) return this.#event(method, data && decodeTable(data));
    const object = this.#broker.objects.get(objectId);
    if (!object) return Status.NOT_FOUND;
    this.#forward(object, message, {});
    return undefined;
  }

  #forward(object: BusObject, { seq, attributes }: Message, first: MessageAttributes): void {
    const { method = '', data } = attributes;
    object.client.send({
      type: MessageType.invoke,
      seq,
      peer: this.id,
      attributes: { ...first, objectId: object.id, method, user: 'root', group: 'root', ...(data && { data }) },
    });
  }

  #event(method: string, args: Table | undefined): Outcome {
    const { object: objectId, pattern, id, data } = args ?? {};
    if (method === 'register') {
      if (typeof objectId !== 'number' || typeof pattern !== 'string') return Status.INVALID_ARGUMENT;
      if (objectId >= 0 && objectId < FIRST_ID) return Status.PERMISSION_DENIED;
      const object = this.#broker.objects.get(objectId >>> 0);
      if (!object) return Status.NOT_FOUND;
      if (object.client !== this || pattern === '') return Status.PERMISSION_DENIED;
      object.patterns.push(pattern);
      return Status.OK;
    }
    if (method !== 'send') return Status.INVALID_COMMAND;
    if (typeof id !== 'string' || typeof data !== 'object' || data === null) return Status.INVALID_ARGUMENT;
    if (id.startsWith('ubus.')) return Status.PERMISSION_DENIED;
    this.#broker.deliver(id, encodeTable(data as Record<string, Writable>), this);
    return Status.OK;
  }

  #respond({ type, seq, peer, attributes }: Message): Outcome {
    const { objectId, status, data } = attributes;
    const object = this.#broker.objects.get(objectId ?? 0);
    const whole = type === MessageType.status ? status !== undefined : data !== undefined;
    if (object?.client === this && whole)
      this.#broker.clients.get(peer)?.send({ type, seq, peer: object.id, attributes });
    return undefined;
  }

  /** Our object that is to subscribe and the one to be subscribed to, or why not. */
  #pair({ attributes: { objectId, target } }: Message): readonly [BusObject, BusObject | undefined, number] | number {
    if (objectId === undefined || target === undefined) return Status.INVALID_ARGUMENT;
    const object = this.#broker.objects.get(objectId);
    if (!object) return Status.NOT_FOUND;
    if (object.client !== this) return Status.INVALID_ARGUMENT;
    return [object, this.#broker.objects.get(target), target];
  }

  #subscribe(message: Message): Outcome {
    const pair = this.#pair(message);
    if (typeof pair === 'number') return pair;
    const [object, target] = pair;
    if (!target) return Status.NOT_FOUND;
    if (target.client === this) return Status.INVALID_ARGUMENT;
    target.subscribers.unshift(object);
    if (target.subscribers.length === 1) this.#broker.tellActive(target, true);
    return Status.OK;
  }

  #unsubscribe(message: Message): Outcome {
    const pair = this.#pair(message);
    if (typeof pair === 'number') return pair;
    const [object, target] = pair;
    if (!target?.subscribers.includes(object)) return Status.NOT_FOUND;
    this.#broker.unsubscribe(object, target);
    return Status.OK;
  }

  #notify(message: Message): Outcome {
    const { objectId, method, noReply } = message.attributes;
    if (objectId === undefined || method === undefined) return Status.INVALID_ARGUMENT;
    const object = this.#broker.objects.get(objectId);
    if (!object) return Status.NOT_FOUND;
    if (object.client !== this) return Status.PERMISSION_DENIED;
    if (!noReply) {
      const subscribers = object.subscribers.map(({ id }) => id);
      this.#answer(MessageType.status, message, { objectId, subscribers, status: Status.OK });
    }
    for (const subscriber of object.subscribers) this.#forward(subscriber, message, noReply ? { noReply } : {});
    return undefined;
  }
}
