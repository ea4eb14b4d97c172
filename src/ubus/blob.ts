/**
 * The container format of ubus (libubox blob.h): attributes of a 4-byte header (bit 31 extended, bits 30–24 id, bits 23–0
 * length of header and payload) and a payload, each padded with zeros to a multiple of four. All numbers are big endian.
 */

const HEADER = 4;

/**
 * What is done with an attribute: `id` (0–127); `extended`, set on blobmsg entries, whose payload begins with a name; and the
 * payload without padding, a view, not a copy. False: no more of them is wanted.
 */
export type VisitAttribute = (id: number, extended: boolean, data: Uint8Array) => boolean;

/** A number rounded up to a multiple of four. */
export function padded(length: number): number {
  return (length + 3) & ~3;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Reads attributes up to the first that does not fit, like libubox does. They are shown one by one, since a list of the
 * 262 144 that a message can hold would take a hundred times the message's memory. True where all bytes have been read:
 * nothing is left over that is no attribute, and nobody has stopped it.
 */
export function eachAttribute(bytes: Uint8Array, visit: VisitAttribute): boolean {
  const view = viewOf(bytes);
  let at = 0;
  while (at + HEADER <= bytes.length) {
    const header = view.getUint32(at);
    const length = header & 0xffffff;
    if (length < HEADER || padded(length) > bytes.length - at) return false;
    if (!visit((header >>> 24) & 0x7f, header >>> 31 === 1, bytes.subarray(at + HEADER, at + length))) return false;
    at += padded(length);
  }
  return at === bytes.length;
}

/** Builds nested attributes in one growing buffer. */
export class BlobWriter {
  #bytes = new Uint8Array(256);
  #view = viewOf(this.#bytes);
  #length = 0;

  /** Begins an attribute; what it returns goes to `close`. */
  open(id: number, extended = false): number {
    const start = this.#length;
    this.uint32(((extended ? 0x80 : 0) | id) * 0x1000000);
    return start;
  }

  /** Ends the attribute: writes its length, then the padding. */
  close(start: number): void {
    const length = this.#length - start;
    if (length > 0xffffff) throw new RangeError(`an attribute of ${length} bytes is too long`);
    this.#view.setUint32(start, this.#view.getUint32(start) + length);
    this.pad();
  }

  /** Fills up with zeros to a multiple of four. */
  pad(): void {
    this.#grow(padded(this.#length) - this.#length);
  }

  uint8(value: number): void {
    const at = this.#grow(1);
    this.#view.setUint8(at, value);
  }

  uint16(value: number): void {
    const at = this.#grow(2);
    this.#view.setUint16(at, value);
  }

  uint32(value: number): void {
    const at = this.#grow(4);
    this.#view.setUint32(at, value);
  }

  int64(value: bigint): void {
    const at = this.#grow(8);
    this.#view.setBigInt64(at, value);
  }

  double(value: number): void {
    const at = this.#grow(8);
    this.#view.setFloat64(at, value);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** Everything written so far: a view that further writing invalidates. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Makes room (zeroed) at the end and says where it begins. */
  #grow(count: number): number {
    const start = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = viewOf(larger);
    }
    return start;
  }
}
