import type { Message } from './message.ts';
import { HEADER_LENGTH, MAX_BLOB_LENGTH, decodeMessage, readHeader } from './message.ts';

/** Cuts a byte stream into messages: the socket joins and splits them at will, only the lengths tell. */
export class MessageReader {
  /** Header of the message that is being read, then, once its length is known, room for the whole. */
  #buffer = new Uint8Array(HEADER_LENGTH);
  #filled = 0;

  /**
   * Takes bytes and delivers the messages that they complete. Returns why the borders between messages are lost, after
   * which the stream is of no more use, or `undefined`.
   */
  push(bytes: Uint8Array, deliver: (message: Message) => void): string | undefined {
    let rest = bytes;
    for (;;) {
      const taken = Math.min(rest.length, this.#buffer.length - this.#filled);
      this.#buffer.set(rest.subarray(0, taken), this.#filled);
      this.#filled += taken;
      rest = rest.subarray(taken);
      if (this.#filled < this.#buffer.length) return undefined;
      const { version, length, blobLength } = readHeader(this.#buffer);
      if (version !== 0) return `a message of unknown version ${version}`;
      if (length < HEADER_LENGTH || blobLength > MAX_BLOB_LENGTH)
        return `a message whose length field is ${blobLength}`;
      if (length > this.#buffer.length) {
        const whole = new Uint8Array(length);
        whole.set(this.#buffer);
        this.#buffer = whole;
        continue;
      }
      const message = decodeMessage(this.#buffer);
      this.#buffer = new Uint8Array(HEADER_LENGTH);
      this.#filled = 0;
      deliver(message);
    }
  }
}
