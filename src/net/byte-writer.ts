/** Writes numbers and bytes one behind the other, into room that grows. */
export class ByteWriter {
  readonly #littleEndian: boolean;
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  /** `room`: bytes to begin with. */
  constructor(littleEndian: boolean, room: number) {
    this.#littleEndian = littleEndian;
    this.#bytes = new Uint8Array(room);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes that have been written. */
  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    const at = this.skip(1);
    this.#view.setUint8(at, value);
    return this;
  }

  u16(value: number): this {
    return this.u16At(this.skip(2), value);
  }

  u32(value: number): this {
    const at = this.skip(4);
    this.#view.setUint32(at, value, this.#littleEndian);
    return this;
  }

  u64(value: bigint): this {
    const at = this.skip(8);
    this.#view.setBigUint64(at, value, this.#littleEndian);
    return this;
  }

  f64(value: number): this {
    const at = this.skip(8);
    this.#view.setFloat64(at, value, this.#littleEndian);
    return this;
  }

  bytes(value: ArrayLike<number>): this {
    const at = this.skip(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** A copy of what has been written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** Writes over what has been written there. */
  protected u16At(at: number, value: number): this {
    this.#view.setUint16(at, value, this.#littleEndian);
    return this;
  }

  /** Makes room at the end, of zeros, and says where it begins. */
  protected skip(size: number): number {
    const at = this.#length;
    this.#length += size;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}
