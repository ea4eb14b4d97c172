import { HEADER_LENGTH } from '../../src/ubus/message.ts';
import type { Random } from './support/random.ts';

/** Where an attribute, or the blob of a message, lies. */
interface Place {
  /** Of its 4-byte header. */
  readonly start: number;
  readonly end: number;
}

const BLOB = HEADER_LENGTH - 4;
/** Lengths at which readers have been known to stumble. */
const ODD_LENGTHS = [0, 1, 3, 4, 5, 7, 8, 0xffff, 0x10000, 0xfffffc, 0xffffff];
const ODD_BYTES = [0, 1, 0x7f, 0x80, 0xc0, 0xed, 0xff];
/** Types of values that hold others: array and table. */
const CONTAINERS = [1, 2];
const DEEPEST = 100;

/**
 * Makes messages that are nearly right: from a corpus of right ones, by one to three changes each. Half of them have their
 * outer length put right afterwards, so that what is inside is looked at at all.
 */
export class Mutator {
  readonly #random: Random;
  readonly #corpus: readonly Uint8Array[];

  constructor(corpus: readonly Uint8Array[], random: Random) {
    this.#corpus = corpus;
    this.#random = random;
  }

  /** The next message; whatever comes out, the stream that it is part of may be out of step behind it. */
  next(): Uint8Array {
    let bytes: Uint8Array = this.#pick(this.#corpus).slice();
    for (let changes = 1 + this.#random.below(3); changes > 0; changes--) bytes = this.#change(bytes);
    return this.#random.below(2) === 0 ? framed(bytes) : bytes;
  }

  /** The next one that is a whole message by its header, so that the stream stays in step. */
  nextFramed(): Uint8Array {
    return framed(this.next());
  }

  #change(bytes: Uint8Array): Uint8Array {
    switch (this.#random.below(9)) {
      case 0:
        return this.#flipBits(bytes);
      case 1:
        return bytes.subarray(0, this.#random.below(bytes.length + 1));
      case 2:
        return this.#relabel(bytes);
      case 3:
        return this.#splice(bytes);
      case 4:
        return this.#graft(bytes);
      case 5:
        return this.#nest(bytes);
      case 6:
        return this.#overwrite(bytes);
      case 7:
        return this.#insert(bytes);
      default:
        return this.#retype(bytes);
    }
  }

  #flipBits(bytes: Uint8Array): Uint8Array {
    for (let flips = 1 + this.#random.below(8); flips > 0 && bytes.length > 0; flips--) {
      const at = this.#random.below(bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << this.#random.below(8));
    }
    return bytes;
  }

  /** Another length field, of the whole or of something in it. */
  #relabel(bytes: Uint8Array): Uint8Array {
    const place = this.#place(bytes);
    if (!place) return bytes;
    const near = place.end - place.start - 8 + this.#random.below(17);
    setLength(bytes, place.start, this.#random.below(2) === 0 ? near : this.#pick(ODD_LENGTHS));
    return bytes;
  }

  /** The beginning of this one and the end of another. */
  #splice(bytes: Uint8Array): Uint8Array {
    const other = this.#pick(this.#corpus);
    const end = other.subarray(this.#random.below(other.length + 1));
    return joined(bytes.subarray(0, this.#random.below(bytes.length + 1)), end);
  }

  /** An attribute of another message, put between or in place of ours. */
  #graft(bytes: Uint8Array): Uint8Array {
    const other = this.#pick(this.#corpus);
    const source = this.#place(other);
    const target = this.#place(bytes);
    if (!source || !target) return bytes;
    const graft = other.subarray(source.start, source.end);
    const end = this.#random.below(2) === 0 ? target.start : target.end;
    return joined(bytes.subarray(0, target.start), graft, bytes.subarray(end));
  }

  /** The content of an attribute, wrapped in tables and arrays. */
  #nest(bytes: Uint8Array): Uint8Array {
    const place = this.#place(bytes);
    if (!place) return bytes;
    let content: Uint8Array = bytes.slice(place.start + 4, place.end);
    for (let depth = 1 + this.#random.below(DEEPEST); depth > 0; depth--) {
      const wrapper = new Uint8Array(8);
      wrapper[0] = 0x80 | this.#pick(CONTAINERS);
      content = joined(wrapper, content);
      setLength(content, 0, content.length);
    }
    const inner = joined(bytes.subarray(place.start, place.start + 4), content);
    setLength(inner, 0, inner.length);
    return joined(bytes.subarray(0, place.start), inner, bytes.subarray(place.end));
  }

  #overwrite(bytes: Uint8Array): Uint8Array {
    const at = this.#random.below(bytes.length + 1);
    const end = Math.min(bytes.length, at + 1 + this.#random.below(8));
    bytes.fill(this.#random.below(2) === 0 ? this.#pick(ODD_BYTES) : this.#random.below(256), at, end);
    return bytes;
  }

  #insert(bytes: Uint8Array): Uint8Array {
    const at = this.#random.below(bytes.length + 1);
    const noise = this.#random.bytes(1 + this.#random.below(16));
    return joined(bytes.subarray(0, at), noise, bytes.subarray(at));
  }

  /** Another id or type, the length as it is. */
  #retype(bytes: Uint8Array): Uint8Array {
    const place = this.#place(bytes);
    if (place) bytes[place.start] = this.#random.below(256);
    return bytes;
  }

  #place(bytes: Uint8Array): Place | undefined {
    const places = placesIn(bytes);
    return places[this.#random.below(places.length)];
  }

  /** One of them; there must be one. */
  #pick<Item>(items: readonly Item[]): Item {
    return items[this.#random.below(items.length)] as Item;
  }
}

/** With the length in the blob's header made that of the bytes which are there. */
function framed(bytes: Uint8Array): Uint8Array {
  const whole = joined(bytes, new Uint8Array(Math.max(HEADER_LENGTH - bytes.length, 0)));
  whole[0] = 0;
  setLength(whole, BLOB, whole.length - BLOB);
  return whole;
}

/** The blob, its attributes, and what those hold that looks like attributes, as far as it goes. */
function placesIn(bytes: Uint8Array): Place[] {
  const places: Place[] = [];
  if (bytes.length < HEADER_LENGTH) return places;
  places.push({ start: BLOB, end: bytes.length });
  collect(bytes, HEADER_LENGTH, bytes.length, places);
  return places;
}

function collect(bytes: Uint8Array, from: number, to: number, places: Place[]): void {
  for (let start = from; start + 4 <= to;) {
    const length = ((bytes[start + 1] ?? 0) << 16) | ((bytes[start + 2] ?? 0) << 8) | (bytes[start + 3] ?? 0);
    const end = start + ((length + 3) & ~3);
    if (length < 4 || end > to) return;
    places.push({ start, end });
    // A name, which every entry begins with, is as long as its two bytes say.
    const named = ((bytes[start] ?? 0) & 0x80) !== 0;
    const name = named ? (((bytes[start + 4] ?? 0) << 8) | (bytes[start + 5] ?? 0)) + 3 : 0;
    collect(bytes, start + 4 + ((name + 3) & ~3), end, places);
    start = end;
  }
}

function setLength(bytes: Uint8Array, at: number, length: number): void {
  if (at + 4 > bytes.length) return;
  bytes[at + 1] = length >>> 16;
  bytes[at + 2] = length >>> 8;
  bytes[at + 3] = length;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
