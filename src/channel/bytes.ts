import { ByteWriter } from '../net/byte-writer.ts';
import { decodeUtf8, encodeUtf8 } from '../net/utf8.ts';

/** Longest text of a message, in bytes of UTF-8. */
export const LONGEST_TEXT = 255;

/** Bytes to begin with: a beat or a report, with a few servers. */
const ROOM = 512;

/** Writes numbers in network byte order, and texts behind a byte with their length. */
export class Writer extends ByteWriter {
  constructor() {
    super(false, ROOM);
  }

  /** A whole number up to `Number.MAX_SAFE_INTEGER`. */
  count(value: number): this {
    return this.u64(BigInt(value));
  }

  /** The same in as few bytes as it needs, the lowest seven bits first; the highest bit says that more follow. */
  varint(value: number): this {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.u8(0x80 | (rest % 0x80));
    return this.u8(rest);
  }

  /** Cut off behind `LONGEST_TEXT` bytes, at worst within a character, which the reader then replaces. */
  text(value: string): this {
    const bytes = encodeUtf8(value).subarray(0, LONGEST_TEXT);
    return this.u8(bytes.length).bytes(bytes);
  }
}

/** Bytes that `varint` writes. */
export function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length++;
  return length;
}

/** Reads what `Writer` writes. Every method throws `RangeError` where the bytes end, or say what cannot be. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(): number {
    return this.#view.getUint8(this.#skip(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#skip(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#skip(4));
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#skip(8));
  }

  count(): number {
    const value = Number(this.u64());
    if (!Number.isSafeInteger(value)) throw new RangeError('number too large');
    return value;
  }

  varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 0x80) {
      const byte = this.u8();
      value += (byte & 0x7f) * factor;
      if (!Number.isSafeInteger(value)) throw new RangeError('number too large');
      if (byte >= 0x80) continue;
      if (byte === 0 && factor > 1) throw new RangeError('number longer than it needs to be');
      return value;
    }
  }

  f64(): number {
    return this.#view.getFloat64(this.#skip(8));
  }

  text(): string {
    return decodeUtf8(this.bytes(this.u8()));
  }

  /** A part of the bytes themselves, no copy. */
  bytes(count: number): Uint8Array {
    const at = this.#skip(count);
    if (this.#at > this.#bytes.length) throw new RangeError('message too short');
    return this.#bytes.subarray(at, this.#at);
  }

  /** All that is left. */
  rest(): Uint8Array {
    return this.bytes(this.#bytes.length - this.#at);
  }

  /** Throws where something is left. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw new RangeError('message too long');
  }

  #skip(count: number): number {
    const at = this.#at;
    this.#at += count;
    return at;
  }
}
