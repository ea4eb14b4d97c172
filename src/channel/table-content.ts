import { Reader, Writer } from './bytes.ts';
import { MOST_SLOTS, NOBODY } from './message.ts';
import type { TablePart } from './message.ts';
import { packNumbers, packedLength, unpackNumbers } from './slot-numbers.ts';

// What a table says is packed, and cut into parts where it is longer than a datagram has room: each part is a message of its own,
// and none of them goes over the network in fragments. Content: names of the members behind their number (2 bytes), number of
// slots (2), and their owners, each in as few bits as all need. Where some slot is nobody's, that is one more owner. Then the number
// of lists of flows (2), and of each the server's name, the list's number, its length (4) and its flows (`flow.ts`).

const MOST_MEMBERS = 4096;

/** Who has which slots. */
export interface TableContent {
  readonly members: readonly string[];
  /** For each slot the index of its owner in `members`, or `NOBODY`. */
  readonly owners: Uint16Array;
  /** Flows that are not with the owners of their slots. */
  readonly lists: readonly KeptList[];
}

/** Flows that a server goes on with, in slots of others or of nobody. */
export interface KeptList {
  readonly server: string;
  /** Number that the server has given the list. */
  readonly generation: number;
  /** Made by `packFlows`. */
  readonly flows: Uint8Array;
}

export function packTable({ members, owners, lists }: TableContent): Uint8Array {
  const writer = new Writer().u16(members.length);
  for (const name of members) writer.text(name);
  const nobody = members.length;
  const numbers = owners.slice();
  let hasGaps = false;
  for (let slot = 0; slot < numbers.length; slot++) {
    if (numbers[slot] !== NOBODY) continue;
    numbers[slot] = nobody;
    hasGaps = true;
  }
  const values = nobody + (hasGaps ? 1 : 0);
  writer
    .u8(hasGaps ? 1 : 0)
    .u16(owners.length)
    .bytes(packNumbers(numbers, values))
    .u16(lists.length);
  for (const { server, generation, flows } of lists) {
    writer.text(server).varint(generation).u32(flows.length).bytes(flows);
  }
  return writer.finish();
}

/** Reverses `packTable`; throws `RangeError` where the content cannot be. */
export function unpackTable(packed: Uint8Array): TableContent {
  const reader = new Reader(packed);
  const count = reader.u16();
  if (count > MOST_MEMBERS) throw new RangeError('too many members');
  const members = Array.from({ length: count }, () => reader.text());
  const gaps = reader.u8();
  const slots = reader.u16();
  const values = count + gaps;
  if (gaps > 1 || values === 0) throw new RangeError('no owners');
  if (slots === 0 || slots > MOST_SLOTS) throw new RangeError('number of slots out of range');
  const owners = unpackNumbers(reader.bytes(packedLength(slots, values)), slots, values);
  const lists: KeptList[] = [];
  for (let left = reader.u16(); left > 0; left--) {
    lists.push({ server: reader.text(), generation: reader.varint(), flows: reader.bytes(reader.u32()) });
  }
  reader.end();
  if (gaps === 1) for (let slot = 0; slot < slots; slot++) if (owners[slot] === count) owners[slot] = NOBODY;
  return { members, owners, lists };
}

/** A part of something, of one version of it. */
type Piece = Pick<TablePart, 'version' | 'part' | 'parts' | 'content'>;

/** Collects the parts of one thing, of the newest version that it has heard of; they may come in any order, and repeatedly. */
export class Assembly {
  #version = 0;
  #parts: (Uint8Array | undefined)[] = [];
  #lacking = 0;

  /** The whole, once all parts of its version have come. */
  take({ version, part, parts, content }: Piece): Uint8Array | undefined {
    if (version < this.#version) return undefined;
    if (version > this.#version || parts !== this.#parts.length) {
      this.#version = version;
      this.#parts = new Array<undefined>(parts).fill(undefined);
      this.#lacking = parts;
    }
    if (this.#parts[part] === undefined) this.#lacking--;
    // A copy: the content is a part of its datagram.
    this.#parts[part] = content.slice();
    return this.#lacking > 0 ? undefined : joined(this.#parts);
  }
}

function joined(parts: readonly (Uint8Array | undefined)[]): Uint8Array {
  const [only] = parts;
  if (only && parts.length === 1) return only;
  const whole = new Uint8Array(parts.reduce((length, part) => length + (part?.length ?? 0), 0));
  let at = 0;
  for (const part of parts) {
    if (!part) continue;
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
