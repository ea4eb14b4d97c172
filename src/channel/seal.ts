import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { encodeUtf8 } from '../net/utf8.ts';
import { TAG_LENGTH } from './message.ts';

/**
 * Proves that a message was made by somebody who has the key: behind it stands a tag, the first 16 bytes of HMAC-SHA-256
 * (RFC 2104, truncated as its section 5 allows) over all that comes before, the sender's life and sequence number included.
 */
export class Seal {
  readonly #key: ReturnType<typeof hmac.create>;

  constructor(key: string) {
    this.#key = hmac.create(sha256, encodeUtf8(key));
  }

  /** The message with its tag. */
  close(message: Uint8Array): Uint8Array {
    const sealed = new Uint8Array(message.length + TAG_LENGTH);
    sealed.set(message);
    sealed.set(this.#tag(message), message.length);
    return sealed;
  }

  /** True where the tag is right. Takes the same time wherever it is wrong, so that nobody can find it byte by byte. */
  holds(sealed: Uint8Array): boolean {
    const end = sealed.length - TAG_LENGTH;
    if (end < 0) return false;
    const tag = this.#tag(sealed.subarray(0, end));
    let difference = 0;
    for (let index = 0; index < TAG_LENGTH; index++) difference |= (tag[index] ?? 0) ^ (sealed[end + index] ?? 0);
    return difference === 0;
  }

  #tag(message: Uint8Array): Uint8Array {
    return this.#key.clone().update(message).digest().subarray(0, TAG_LENGTH);
  }
}
