import { decodeUtf8, encodeUtf8 } from '../net/utf8.ts';

/** Longest text of a message, in bytes of UTF-8. */
export const LONGEST_TEXT = 255;

/** Writes numbers in network byte order, and texts behind a byte with their length. */
export class Writer {
  #bytes = new Uint8Array(512);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  u8(value: number): this {
    const at = this.#grow(1);
    this.#view.setUint8(at, value);
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#view.setUint16(at, value);
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#view.setUint32(at, value);
    return this;
  }

  u64(value: bigint): this {
    const at = this.#grow(8);
    this.#view.setBigUint64(at, value);
    return this;
  }

  /** A whole number up to `Number.MAX_SAFE_INTEGER`. */
  count(value: number): this {
    return this.u64(BigInt(value));
  }

  f64(value: number): this {
    const at = this.#grow(8);
    this.#view.setFloat64(at, value);
    return this;
  }

  /** Cut off behind `LONGEST_TEXT` bytes, at worst within a character, which the reader then replaces. */
  text(value: string): this {
    const bytes = encodeUtf8(value).subarray(0, LONGEST_TEXT);
    return this.u8(bytes.length).bytes(bytes);
  }

  bytes(value: Uint8Array): this {
    const at = this.#grow(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** A copy of what has been written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** Makes room, and tells where it begins. */
  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
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
