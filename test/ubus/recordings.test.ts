import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MessageReader } from '../../src/ubus/framing.ts';
import type { Message } from '../../src/ubus/message.ts';
import { decodeMessage } from '../../src/ubus/message.ts';
import { recordedMessages } from '../unit/ubus-recordings.ts';
import type { RecordedMessage } from './recorded.ts';
import { attributesOf, encodedAgain, fromHex, toHex } from './recorded.ts';

/** All recordings; they lie beside the project where they are at hand, and are too large to be part of it. */
const folder = join(process.env.ONEIP_ROOT ?? '.', '../shared/ubus-wire');

interface WireEntry {
  readonly type?: string;
  readonly name: string;
  readonly value?: unknown;
  readonly bits?: string;
  readonly valueAbbreviated?: { readonly bytes: number; readonly sha256: string };
  readonly error?: string;
}

interface WireAttribute {
  readonly name: string | null;
  readonly value?: unknown;
  readonly blobmsg?: readonly WireEntry[];
  readonly error?: string;
  readonly unterminated?: boolean;
  readonly extended?: boolean;
}

interface WireMessage {
  readonly n: number;
  readonly conn: string;
  readonly dir: string;
  readonly hex?: string;
  readonly decoded: {
    readonly version: number;
    readonly type: number;
    readonly seq: number;
    readonly peer: string;
    readonly blob: { readonly id: number; readonly len: number };
    readonly attrs: readonly WireAttribute[];
  };
}

const NAMES: Readonly<Record<string, string>> = {
  STATUS: 'status',
  OBJPATH: 'objectPath',
  OBJID: 'objectId',
  METHOD: 'method',
  OBJTYPE: 'objectType',
  SIGNATURE: 'signature',
  DATA: 'data',
  TARGET: 'target',
  ACTIVE: 'active',
  NO_REPLY: 'noReply',
  SUBSCRIBERS: 'subscribers',
  USER: 'user',
  GROUP: 'group',
};

function expectedEntry(entry: WireEntry, inArray = false): unknown {
  const value = Array.isArray(entry.value)
    ? (entry.value as WireEntry[]).map((item) => expectedEntry(item, entry.type === 'array'))
    : entry.type === 'double'
      ? entry.bits
      : entry.value;
  return [entry.type, inArray ? '' : entry.name, value];
}

function expectedAttribute(attribute: WireAttribute): [string, unknown][] {
  const name = NAMES[attribute.name ?? ''];
  if (name === undefined || attribute.error !== undefined || attribute.unterminated) return [];
  const { value } = attribute;
  if (attribute.blobmsg) return [[name, attribute.blobmsg.map((entry) => expectedEntry(entry))]];
  if (name === 'active' || name === 'noReply') return [[name, value !== 0]];
  if (Array.isArray(value)) return [[name, value.map((id) => parseInt(String(id), 16))]];
  return [[name, typeof value === 'string' ? value.split('\0')[0] : value]];
}

/** Abbreviated strings are known by length and digest only. */
function abbreviate(value: unknown): unknown {
  if (typeof value === 'string' && value.length > 2048) return createHash('sha256').update(value).digest('hex');
  return Array.isArray(value) ? value.map(abbreviate) : value;
}

function expectAbbreviated(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(expectAbbreviated);
  if (typeof value !== 'object' || value === null) return value;
  const { valueAbbreviated } = value as WireEntry;
  const members = Object.entries(value).map(([name, member]) => [name, expectAbbreviated(member)]);
  return { ...Object.fromEntries(members), ...(valueAbbreviated && { value: valueAbbreviated.sha256 }) };
}

/** False for what was broken on purpose and so cannot come out the same again. */
function isRegular({ hex = '', decoded }: WireMessage): boolean {
  const odd = decoded.attrs.some(
    ({ name, error, unterminated, extended, value, blobmsg }) =>
      !name ||
      error ||
      unterminated ||
      extended ||
      (typeof value === 'string' && value.includes('\0')) ||
      blobmsg?.some((entry) => entry.error),
  );
  const names = decoded.attrs.map(({ name }) => name);
  return (
    !odd &&
    decoded.version === 0 &&
    decoded.blob.id === 0 &&
    decoded.blob.len >= 4 &&
    decoded.blob.len % 4 === 0 &&
    hex.length / 2 === decoded.blob.len + 8 &&
    new Set(names).size === names.length
  );
}

/** Half a message, or a length that cannot be: the reader sees to these. */
function isWhole({ hex, decoded }: WireMessage): boolean {
  return hex !== undefined && decoded.blob.len >= 4 && hex.length / 2 === decoded.blob.len + 8 && decoded.version === 0;
}

interface Case extends RecordedMessage {
  /** Connection and direction. */
  readonly stream: string;
  readonly regular: boolean;
}

function casesIn(name: string): Case[] {
  const { messages } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as { messages: readonly WireMessage[] };
  return messages.filter(isWhole).map((message) => {
    const { type, seq, peer, attrs } = message.decoded;
    const attributes = new Map(
      attrs.flatMap((attribute) => expectedAttribute(expectAbbreviated(attribute) as WireAttribute)),
    );
    return {
      scenario: `${name} ${message.n}`,
      hex: message.hex ?? '',
      type,
      seq,
      peer: parseInt(peer, 16),
      attributes: [...attributes],
      stream: `${name} ${message.conn} ${message.dir}`,
      regular: isRegular(message),
    };
  });
}

const present = existsSync(folder);
const cases = present
  ? readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .flatMap(casesIn)
  : recordedMessages.map((message) => ({ ...message, stream: message.scenario, regular: true }));

test('recorded messages mean what they meant, and come out the same again', () => {
  for (const { scenario, hex, type, seq, peer, attributes, regular } of cases) {
    const bytes = fromHex(hex);
    const decoded = decodeMessage(bytes);
    assert.equal([decoded.type, decoded.seq, decoded.peer], [type, seq, peer], scenario);
    assert.equal(abbreviate(attributesOf(decoded)), attributes, scenario);
    if (regular) assert.is(toHex(encodedAgain(bytes)), hex, scenario);
  }
  const regular = cases.filter((message) => message.regular).length;
  console.log(
    present
      ? `# ${cases.length} recorded messages read, ${regular} of them encoded again to the same bytes`
      : `# THE RECORDINGS ARE NOT HERE (../shared/ubus-wire): only the selection of ${cases.length} messages was checked`,
  );
  assert.ok(regular > (present ? 1250 : 50));
});

test('recorded streams come apart into the same messages, however they are cut', () => {
  const streams = new Map<string, string[]>();
  for (const { stream, hex, regular } of cases) if (regular) streams.set(stream, [...(streams.get(stream) ?? []), hex]);
  for (const [stream, hexes] of streams) {
    const whole = fromHex(hexes.join(''));
    const expected = hexes.map((hex) => decodeMessage(fromHex(hex)));
    for (const size of [7, 1000, whole.length]) {
      const reader = new MessageReader();
      const found: Message[] = [];
      for (let at = 0; at < whole.length; at += size) {
        const lost = reader.push(whole.subarray(at, at + size), (message) => found.push(message));
        assert.is(lost, undefined, stream);
      }
      assert.equal(found, expected, `${stream} in pieces of ${size}`);
    }
  }
});

test.run();
