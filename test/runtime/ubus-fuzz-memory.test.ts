/**
 * The longest message that the bus takes, filled with what costs its reader most: whoever may call one of our methods may
 * send it, and a router of 64 MB has to live on.
 */
import { decodeUtf8, monotonic, readFile } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeEntries, decodeTable } from '../../src/ubus/blobmsg.ts';
import { MAX_BLOB_LENGTH, decodeMessage } from '../../src/ubus/message.ts';
import { runtime } from './support/script.ts';

/** The sanitizers keep what has been freed, for a while. */
const sanitized = runtime.includes('asan');
/** Most that reading one of them may take beside its own bytes, in KiB. */
const LIMIT = 24 * 1024;
/** With them, which take twenty times as long, only accesses are watched, for which less will do. */
const LENGTH = sanitized ? 65_536 : MAX_BLOB_LENGTH - 64;

/** `count` of the same bytes. */
function repeated(unit: readonly number[], length = LENGTH): Uint8Array {
  const count = Math.floor(length / unit.length);
  const bytes = new Uint8Array(count * unit.length);
  bytes.set(unit);
  // Twice as many each time, which costs next to nothing.
  for (let done = unit.length; done < bytes.length; done *= 2) bytes.copyWithin(done, 0, done);
  return bytes;
}

/** An attribute around a content; `id` is its whole first byte. */
function attribute(id: number, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(content.length + 4);
  new DataView(bytes.buffer).setUint32(0, id * 0x1000000 + bytes.length);
  bytes.set(content, 4);
  return bytes;
}

/** As many members as fit, each with a name of its own and without a value. */
function differentNames(): Uint8Array {
  const bytes = repeated([0x80, 0, 0, 12, 0, 5, 0x41, 0x41, 0x41, 0x41, 0x41, 0]);
  for (let at = 0, number = 0; at < bytes.length; at += 12, number++) {
    for (let digit = 0, rest = number; digit < 4; digit++, rest = Math.floor(rest / 26)) {
      bytes[at + 6 + digit] = 0x41 + (rest % 26);
    }
  }
  return bytes;
}

/** Arrays within arrays, further down than any reader goes. */
function nested(): Uint8Array {
  const bytes = new Uint8Array(LENGTH);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < LENGTH; at += 4) view.setUint32(at, 0x1000000 + LENGTH - at);
  return bytes;
}

const NULL = [0, 0, 0, 4];
const EMPTY_ARRAY = [1, 0, 0, 4];
const EMPTY_TABLE = [2, 0, 0, 4];
const EMPTY_TEXT = [3, 0, 0, 5, 0, 0, 0, 0];
const STATUS = [1, 0, 0, 8, 0, 0, 0, 0];
const ID = [0, 0, 0, 8, 0, 0, 4, 0];

const contents: Readonly<Record<string, () => Uint8Array>> = {
  'nothing, over and over': () => repeated(NULL),
  'an array of nothings': () => attribute(1, repeated(NULL)),
  'empty tables': () => repeated(EMPTY_TABLE),
  'an array of empty tables': () => attribute(1, repeated(EMPTY_TABLE)),
  'an array of empty arrays': () => attribute(1, repeated(EMPTY_ARRAY)),
  'an array of empty texts': () => attribute(1, repeated(EMPTY_TEXT)),
  'different names': differentNames,
  'arrays within arrays': nested,
  'a text of bytes that are no UTF-8': () => attribute(3, new Uint8Array(LENGTH).fill(0xff).fill(0, LENGTH - 1)),
};

const messages: Readonly<Record<string, () => Uint8Array>> = {
  'the same attribute, over and over': () => repeated(STATUS),
  'attributes that do not exist': () => repeated([0x70, 0, 0, 4]),
  'subscribers without end': () => attribute(11, repeated(ID)),
};

function mostMemory(): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(decodeUtf8(readFile('/proc/self/status')))?.[1]);
}

/** KiB and milliseconds that it takes to read something; the memory only as far as no earlier one has taken it already. */
function costOf(code: () => void): { memory: number; time: number } {
  const memory = mostMemory();
  const begin = monotonic();
  code();
  return { memory: mostMemory() - memory, time: monotonic() - begin };
}

test('no message takes more memory than a small router has', () => {
  const begin = mostMemory();
  let slowest = 0;
  const check = (what: string, code: () => void): void => {
    const { memory, time } = costOf(code);
    slowest = Math.max(slowest, time);
    if (!sanitized) assert.ok(memory <= LIMIT, `${what}: ${memory} KiB`);
  };
  for (const [what, make] of Object.entries(contents)) {
    const bytes = make();
    check(what, () => decodeTable(bytes));
  }
  for (const [what, make] of Object.entries(messages)) {
    const head = [0, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    const content = make();
    const bytes = new Uint8Array(head.length + content.length);
    bytes.set(head);
    bytes.set(content, head.length);
    check(what, () => decodeMessage(bytes));
  }
  const grown = mostMemory() - begin;
  console.log(`\n# messages of 1 MiB made to hurt: ${grown} KiB at the most, ${slowest.toFixed(0)} ms for the slowest`);
  if (!sanitized) assert.ok(grown <= LIMIT, `${grown} KiB`);
});

test('more tables and arrays than anybody means are refused; as many as a dump has are read', () => {
  const tables = (count: number): Uint8Array => attribute(1, repeated(EMPTY_TABLE, count * EMPTY_TABLE.length));
  // The outermost table and the array count, too.
  for (const read of [decodeTable, decodeEntries]) {
    assert.is.not(read(tables(65_534)), undefined);
    assert.is(read(tables(65_535)), undefined);
  }
});

test.run();
