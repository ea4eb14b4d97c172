import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { WritableTable } from '../../src/ubus/blobmsg.ts';
import { decodeEntries, decodeTable, encodeTable } from '../../src/ubus/blobmsg.ts';
import { MessageReader } from '../../src/ubus/framing.ts';
import type { Message } from '../../src/ubus/message.ts';
import { HEADER_LENGTH, decodeMessage, encodeMessage } from '../../src/ubus/message.ts';
import { fromHex, toHex } from '../ubus/recorded.ts';
import { Mutator } from './ubus-fuzz-mutator.ts';
import { recordedMessages } from './ubus-recordings.ts';
import { Random } from './support/random.ts';

const SEED = 20_260_213;
const full = (globalThis as { ONEIP_FULL?: boolean }).ONEIP_FULL === true;
const MESSAGES = full ? 1_000_000 : 10_000;
const STREAM_LENGTH = 10;
const STREAMS = MESSAGES / 50;

const recorded = recordedMessages.map(({ hex }) => fromHex(hex));
// Those with a table in them, where there is most to get wrong, come up three times as often as the others.
const withTable = recorded.filter((bytes) => {
  const { data, signature } = decodeMessage(bytes).attributes;
  return (data ?? signature) !== undefined;
});
const corpus = [...recorded, ...withTable, ...withTable];

test('whatever a message has become, it decodes or is refused, and what decodes comes out the same again', () => {
  const mutator = new Mutator(corpus, new Random(SEED));
  let tables = 0;
  let refused = 0;
  for (let count = 0; count < MESSAGES; count++) {
    const bytes = mutator.next();
    if (bytes.length < HEADER_LENGTH) continue;
    try {
      const message = decodeMessage(bytes);
      const once = encodeMessage(message);
      isSame(encodeMessage(decodeMessage(once)), once);
      for (const data of [message.attributes.data, message.attributes.signature]) {
        if (!data) continue;
        if (survives(data)) tables++;
        else refused++;
      }
    } catch (error) {
      throw failure(SEED, count, bytes, error);
    }
  }
  console.log(
    `\n# seed ${SEED}: ${MESSAGES} mutated messages; of the tables in them ${tables} read, ${refused} refused`,
  );
  // Else next to nothing would have been looked at.
  assert.ok(tables > MESSAGES / 20 && refused > MESSAGES / 20);
});

/** True where the table is well formed; then both readers take it, and it encodes to what decodes to the same. */
function survives(data: Uint8Array): boolean {
  const table = decodeTable(data);
  const entries = decodeEntries(data);
  assert.is(table === undefined, entries === undefined, 'both readers or none');
  if (!table || !entries) return false;
  const typed = encodeTable(entries);
  isSame(encodeTable(decodeEntries(typed) ?? []), typed);
  const plain = encodeTable(table as WritableTable);
  isSame(encodeTable((decodeTable(plain) ?? {}) as WritableTable), plain);
  return true;
}

test('a stream of them comes apart the same however it is cut, until its borders are lost', () => {
  const random = new Random(SEED + 1);
  const mutator = new Mutator(corpus, random);
  let delivered = 0;
  let lost = 0;
  for (let count = 0; count < STREAMS; count++) {
    const bytes = joined(
      Array.from({ length: STREAM_LENGTH }, () => (random.below(3) === 0 ? mutator.next() : mutator.nextFramed())),
    );
    try {
      const whole = readAll(bytes, () => bytes.length);
      const pieces = readAll(bytes, () => 1 + random.below(100));
      assert.is(pieces.lost, whole.lost);
      isSame(joined(pieces.messages), joined(whole.messages));
      delivered += whole.messages.length;
      if (whole.lost !== undefined) lost++;
    } catch (error) {
      throw failure(SEED + 1, count, bytes, error);
    }
  }
  console.log(`\n# ${STREAMS} streams of ${STREAM_LENGTH}: ${delivered} messages delivered, ${lost} streams given up`);
  assert.ok(delivered > STREAMS * 2 && lost > STREAMS / 10);
});

/** What a stream comes to that arrives in pieces: its messages as they encode again, and why it is of no more use. */
function readAll(bytes: Uint8Array, size: () => number): { messages: Uint8Array[]; lost: string | undefined } {
  const reader = new MessageReader();
  const messages: Uint8Array[] = [];
  const deliver = (message: Message): void => void messages.push(encodeMessage(message));
  let lost: string | undefined;
  for (let at = 0; at < bytes.length && lost === undefined;) {
    const end = Math.min(at + size(), bytes.length);
    lost = reader.push(bytes.subarray(at, end), deliver);
    at = end;
  }
  return { messages, lost };
}

/** Compared as bytes, since a NaN is not equal to itself. */
function isSame(bytes: Uint8Array, expected: Uint8Array): void {
  if (bytes.length === expected.length && bytes.every((byte, index) => byte === expected[index])) return;
  assert.is(toHex(bytes), toHex(expected));
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function failure(seed: number, count: number, bytes: Uint8Array, error: unknown): Error {
  const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new Error(`seed ${seed}, number ${count}: ${toHex(bytes)}\n${reason}`);
}

test.run();
