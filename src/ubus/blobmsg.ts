/**
 * Values on the bus (libubox blobmsg.h): named, typed attributes inside a blob.
 *
 * | wire    | JavaScript                                                                                             |
 * | ------- | ------------------------------------------------------------------------------------------------------ |
 * | unspec  | `null`                                                                                                 |
 * | array   | array                                                                                                  |
 * | table   | object                                                                                                 |
 * | string  | string (UTF-8; ends at the first NUL)                                                                  |
 * | int64   | signed; a number where it is a safe integer, else a bigint                                             |
 * | int32   | signed number                                                                                          |
 * | int16   | signed number                                                                                          |
 * | int8    | boolean, which is what everybody uses it for                                                           |
 * | double  | number                                                                                                 |
 *
 * The way back follows libubox's JSON reader: integers that fit become int32, larger ones and bigints int64, other
 * numbers double. Where another type is wanted, or the exact number of an int8, there is `Typed`.
 */
import { decodeUtf8, encodeUtf8 } from '../net/utf8.ts';
import { BlobWriter, eachAttribute, padded, viewOf } from './blob.ts';

/** Numbers of the types on the wire; in a signature, `unspec` stands for any type. */
export const BlobmsgType = {
  unspec: 0,
  array: 1,
  table: 2,
  string: 3,
  int64: 4,
  int32: 5,
  int16: 6,
  int8: 7,
  double: 8,
} as const;
export type BlobmsgTypeName = keyof typeof BlobmsgType;

/** A value as it is read. */
export type Value = null | boolean | number | bigint | string | readonly Value[] | Table;
export interface Table {
  readonly [name: string]: Value;
}

/** A value as it can be written; members that are `undefined` are left out. */
export type Writable = null | boolean | number | bigint | string | Typed | readonly Writable[] | WritableTable;
export interface WritableTable {
  readonly [name: string]: Writable | undefined;
}

export type Entry = readonly [name: string, value: Typed];
type TypedContent = null | boolean | number | bigint | string | readonly Typed[] | readonly Entry[];

/** A value with the type that it has on the wire. Tables are lists of entries, so that order and repeated names stay. */
export class Typed {
  readonly type: BlobmsgTypeName;
  readonly value: TypedContent;

  constructor(type: BlobmsgTypeName, value: TypedContent) {
    this.type = type;
    this.value = value;
  }
}

/** An int64, also where the number is small: for counters, whose type must not change as they grow. Taken modulo 2^64. */
export function int64(value: number | bigint): Typed {
  return new Typed('int64', value);
}

/** An int32, also from 2^31 on (object ids): taken modulo 2^32. */
export function int32(value: number): Typed {
  return new Typed('int32', value);
}

/** A double, also where the number is whole. */
export function double(value: number): Typed {
  return new Typed('double', value);
}

/** Deeper nesting is refused both ways: a message of 1 MiB could hold 87 000 levels and overrun the stack. */
const MAX_DEPTH = 64;
/**
 * More tables and arrays than these in one message are refused: empty ones take 4 bytes there, and thirty times that here. A
 * message of things worth saying has some 20 bytes for each.
 */
const MAX_CONTAINERS = 65536;
const TYPE_NAMES = Object.keys(BlobmsgType) as BlobmsgTypeName[];

/** Content of a DATA or SIGNATURE attribute. Throws `RangeError` for NULs in text, long names and deep nesting. */
export function encodeTable(table: WritableTable | readonly Entry[]): Uint8Array {
  const writer = new BlobWriter();
  writeTable(writer, table, 0);
  return writer.bytes();
}

/** The table in a DATA or SIGNATURE attribute; `undefined` where it is malformed. */
export function decodeTable(data: Uint8Array): Table | undefined {
  return new Reader(PLAIN).table(data);
}

/** The same with the types as sent; encoding this gives the same bytes again. */
export function decodeEntries(data: Uint8Array): readonly Entry[] | undefined {
  return new Reader(TYPED).table(data);
}

type Scalar = null | number | bigint | string;

/** What is made of values as they are read. */
interface Maker<Item, Members> {
  scalar(type: BlobmsgTypeName, value: Scalar): Item;
  array(items: Item[]): Item;
  table(members: Members): Item;
  members(): Members;
  /** Adds a member; of a repeated name the last counts, where only one can. */
  add(members: Members, name: string, item: Item): void;
}

const PLAIN: Maker<Value, Record<string, Value>> = {
  scalar: (type, value) => (type === 'int8' ? value !== 0 : value),
  array: (items) => items,
  table: (members) => members,
  members: () => ({}),
  add: (members, name, item) => {
    if (name === '__proto__')
      Object.defineProperty(members, name, { value: item, enumerable: true, configurable: true, writable: true });
    else members[name] = item;
  },
};

const TYPED: Maker<Typed, Entry[]> = {
  scalar: (type, value) => new Typed(type, value),
  array: (items) => new Typed('array', items),
  table: (members) => new Typed('table', members),
  members: () => [],
  add: (members, name, item) => void members.push([name, item]),
};

/** Reads the content of one DATA or SIGNATURE attribute. */
class Reader<Item, Members> {
  readonly #make: Maker<Item, Members>;
  #containers = 0;

  constructor(make: Maker<Item, Members>) {
    this.#make = make;
  }

  table(data: Uint8Array, depth = 0): Members | undefined {
    const members = this.#make.members();
    return this.#each(data, depth, (name, item) => this.#make.add(members, name, item)) ? members : undefined;
  }

  #each(data: Uint8Array, depth: number, take: (name: string, item: Item) => void): boolean {
    if (depth > MAX_DEPTH || ++this.#containers > MAX_CONTAINERS) return false;
    return eachAttribute(data, (id, extended, content) => {
      const type = TYPE_NAMES[id];
      if (type === undefined) return false;
      let name = '';
      let start = 0;
      if (extended) {
        if (content.length < 3) return false;
        const length = viewOf(content).getUint16(0);
        start = padded(length + 3);
        if (content.length < start || content[length + 2] !== 0) return false;
        name = untilNul(content.subarray(2, length + 2));
      }
      const item = this.#item(type, content.subarray(start), depth + 1);
      if (item !== undefined) take(name, item);
      return item !== undefined;
    });
  }

  #item(type: BlobmsgTypeName, data: Uint8Array, depth: number): Item | undefined {
    if (type === 'table') {
      const members = this.table(data, depth);
      return members && this.#make.table(members);
    }
    if (type === 'array') {
      const items: Item[] = [];
      return this.#each(data, depth, (_, item) => items.push(item)) ? this.#make.array(items) : undefined;
    }
    const value = readScalar(type, data);
    return value === undefined ? undefined : this.#make.scalar(type, value);
  }
}

function readScalar(type: Exclude<BlobmsgTypeName, 'array' | 'table'>, data: Uint8Array): Scalar | undefined {
  const view = viewOf(data);
  const hasSize = (size: number): boolean => data.length === size;
  switch (type) {
    case 'unspec':
      return null;
    case 'string':
      return data[data.length - 1] === 0 ? untilNul(data) : undefined;
    case 'int64': {
      if (!hasSize(8)) return undefined;
      const near = view.getInt32(0) * 0x100000000 + view.getUint32(4);
      return Number.isSafeInteger(near) ? near : view.getBigInt64(0);
    }
    case 'int32':
      return hasSize(4) ? view.getInt32(0) : undefined;
    case 'int16':
      return hasSize(2) ? view.getInt16(0) : undefined;
    case 'int8':
      return hasSize(1) ? view.getInt8(0) : undefined;
    case 'double':
      return hasSize(8) ? view.getFloat64(0) : undefined;
  }
}

/** Text up to the first NUL, which is where C programs stop reading. */
export function untilNul(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decodeUtf8(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Text and its NUL. */
export function withNul(text: string): Uint8Array {
  if (text.includes('\0')) throw new RangeError('text on the bus cannot hold NUL');
  return encodeUtf8(`${text}\0`);
}

function writeTable(writer: BlobWriter, table: WritableTable | readonly Entry[], depth: number): void {
  if (depth > MAX_DEPTH) throw new RangeError(`nested deeper than ${MAX_DEPTH}`);
  const entries: readonly (readonly [string, Writable | undefined])[] = isEntries(table)
    ? table
    : Object.entries(table);
  for (const [name, value] of entries) {
    if (value !== undefined) writeEntry(writer, name, value, depth);
  }
}

function isEntries(table: WritableTable | readonly Entry[]): table is readonly Entry[] {
  return Array.isArray(table);
}

function writeEntry(writer: BlobWriter, name: string, value: Writable, depth: number): void {
  const type = value instanceof Typed ? value.type : typeFor(value);
  const start = writer.open(BlobmsgType[type], true);
  const nameBytes = withNul(name);
  if (nameBytes.length > 0x10000) throw new RangeError('a name on the bus has at most 65535 bytes');
  writer.uint16(nameBytes.length - 1);
  writer.raw(nameBytes);
  writer.pad();
  writeValue(writer, type, value instanceof Typed ? value.value : value, depth);
  writer.close(start);
}

function typeFor(value: Exclude<Writable, Typed>): BlobmsgTypeName {
  switch (typeof value) {
    case 'string':
      return 'string';
    case 'boolean':
      return 'int8';
    case 'bigint':
      return 'int64';
    case 'number':
      if (!Number.isSafeInteger(value) || Object.is(value, -0)) return 'double';
      return value === (value | 0) ? 'int32' : 'int64';
    default:
      return value === null ? 'unspec' : Array.isArray(value) ? 'array' : 'table';
  }
}

function writeValue(writer: BlobWriter, type: BlobmsgTypeName, value: unknown, depth: number): void {
  switch (type) {
    case 'unspec':
      return;
    case 'array':
      if (depth >= MAX_DEPTH) throw new RangeError(`nested deeper than ${MAX_DEPTH}`);
      for (const item of value as readonly Writable[]) writeEntry(writer, '', item, depth + 1);
      return;
    case 'table':
      return writeTable(writer, value as WritableTable | readonly Entry[], depth + 1);
    case 'string':
      return writer.raw(withNul(value as string));
    case 'int64':
      return writer.int64(BigInt(value as number | bigint));
    case 'int32':
      return writer.uint32(value as number);
    case 'int16':
      return writer.uint16(value as number);
    case 'int8':
      return writer.uint8(Number(value));
    case 'double':
      return writer.double(value as number);
  }
}
