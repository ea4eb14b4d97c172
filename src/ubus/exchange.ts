import type { Table } from './blobmsg.ts';
import { decodeTable } from './blobmsg.ts';
import type { Message } from './message.ts';
import { MessageType } from './message.ts';
import { Status, UbusError } from './status.ts';

/** One of our requests that waits for its answers. */
export interface Exchange {
  /** A DATA or STATUS message with our `seq`; true ends the exchange. */
  received(message: Message): boolean;
  /** Nothing more will come: no time left (TIMEOUT), or no connection (CONNECTION_FAILED). */
  abandoned(status: number, reason?: string): void;
}

/** A request with one partner: any number of DATA messages, then one STATUS. */
export class RequestExchange implements Exchange {
  readonly done: Promise<void>;
  readonly #peer: number;
  readonly #data: (message: Message) => void;
  #resolve: () => void = () => undefined;
  #reject: (error: UbusError) => void = () => undefined;

  /** `peer`: header peer of the answers; `data` sees each DATA message while it is being read. */
  constructor(peer: number, data: (message: Message) => void) {
    this.#peer = peer;
    this.#data = data;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  received(message: Message): boolean {
    if (message.peer !== this.#peer) return false;
    if (message.type === MessageType.data) {
      this.#data(message);
      return false;
    }
    const status = message.attributes.status ?? Status.UNKNOWN_ERROR;
    if (status === Status.OK) this.#resolve();
    else this.#reject(new UbusError(status));
    return true;
  }

  abandoned(status: number, reason?: string): void {
    this.#reject(new UbusError(status, reason));
  }
}

/** What one subscriber said to a notification. */
export interface SubscriberAnswer {
  /** The subscriber's object. */
  readonly objectId: number;
  /** TIMEOUT where it did not answer in time; ubusd does not tell when it has left. */
  readonly status: number;
  readonly data?: Table;
}

/** A notification that wants answers: ubusd names the subscribers first, then each answers by itself. */
export class NotifyExchange implements Exchange {
  readonly done: Promise<readonly SubscriberAnswer[]>;
  readonly #objectId: number;
  readonly #data = new Map<number, Table>();
  readonly #answers: SubscriberAnswer[] = [];
  #waitingFor: number[] | undefined;
  #resolve: (answers: readonly SubscriberAnswer[]) => void = () => undefined;
  #reject: (error: UbusError) => void = () => undefined;

  constructor(objectId: number) {
    this.#objectId = objectId;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  received({ type, peer, attributes }: Message): boolean {
    if (!this.#waitingFor) {
      if (type !== MessageType.status || peer !== this.#objectId) return false;
      if (attributes.status !== Status.OK) {
        this.#reject(new UbusError(attributes.status ?? Status.UNKNOWN_ERROR));
        return true;
      }
      this.#waitingFor = [...(attributes.subscribers ?? [])];
    } else {
      const index = this.#waitingFor.indexOf(peer);
      if (index < 0) return false;
      if (type === MessageType.data) {
        const table = attributes.data && decodeTable(attributes.data);
        if (table) this.#data.set(peer, table);
        return false;
      }
      this.#waitingFor.splice(index, 1);
      this.#answered(peer, attributes.status ?? Status.UNKNOWN_ERROR);
    }
    if (this.#waitingFor.length > 0) return false;
    this.#resolve(this.#answers);
    return true;
  }

  abandoned(status: number, reason?: string): void {
    if (!this.#waitingFor || status !== Status.TIMEOUT) return this.#reject(new UbusError(status, reason));
    for (const objectId of this.#waitingFor) this.#answered(objectId, status);
    this.#resolve(this.#answers);
  }

  #answered(objectId: number, status: number): void {
    const data = this.#data.get(objectId);
    this.#answers.push({ objectId, status, ...(data && { data }) });
  }
}
