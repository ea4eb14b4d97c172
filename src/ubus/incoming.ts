import type { WritableTable } from './blobmsg.ts';
import { encodeTable } from './blobmsg.ts';
import type { Message, MessageAttributes } from './message.ts';
import { MessageType } from './message.ts';

/** What an object on our side of a connection is told. */
export interface ObjectReceiver {
  /** A method call, a notification, or (from nobody) an event. */
  invoked(call: IncomingCall): void;
  /** The first subscriber has come, or the last has gone. */
  subscribersChanged?(active: boolean): void;
  /** ubusd has dropped our subscription, because its target is gone. */
  targetGone?(target: number): void;
}

/** An INVOKE that has reached us, and the way to answer it: at once or later, in any order. */
export class IncomingCall {
  readonly method: string;
  /** Client id of the caller; 0 where ubusd delivers an event, which is not answered. */
  readonly caller: number;
  /** User and group of the caller as ubusd knows them from the socket. */
  readonly user: string | undefined;
  readonly group: string | undefined;
  /** blobmsg entries; `undefined` where the caller sent none. */
  readonly data: Uint8Array | undefined;
  readonly #seq: number;
  readonly #objectId: number;
  readonly #send: (message: Message) => void;
  #open: boolean;

  constructor(message: Message, send: (message: Message) => void) {
    const { method, user, group, data, noReply, objectId } = message.attributes;
    this.method = method ?? '';
    this.caller = message.peer;
    this.user = user;
    this.group = group;
    this.data = data;
    this.#seq = message.seq;
    this.#objectId = objectId ?? 0;
    this.#send = send;
    this.#open = noReply !== true && message.peer !== 0;
  }

  /** Sends one DATA message; any number may precede the status. Throws `RangeError` where it is too long. */
  reply(table: WritableTable): void {
    if (this.#open) this.#answer(MessageType.data, { objectId: this.#objectId, data: encodeTable(table) });
  }

  /** Ends the call; only the first status counts. */
  finish(status: number): void {
    if (this.#open) this.#answer(MessageType.status, { status, objectId: this.#objectId });
    this.#open = false;
  }

  #answer(type: number, attributes: MessageAttributes): void {
    this.#send({ type, seq: this.#seq, peer: this.caller, attributes });
  }
}
