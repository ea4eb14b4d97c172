import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Reader, Writer, varintLength } from '../../src/channel/bytes.ts';
import { DATAGRAM, NOBODY, TAG_LENGTH, decodeMessage, encodeMessage } from '../../src/channel/message.ts';
import { peek, splitContent, splitHeard } from '../../src/channel/message.ts';
import type { Message, TablePart } from '../../src/channel/message.ts';
import { Seal } from '../../src/channel/seal.ts';
import { packNumbers, unpackNumbers } from '../../src/channel/slot-numbers.ts';
import { Assembly, packTable, unpackTable } from '../../src/channel/table-content.ts';
import type { TableContent } from '../../src/channel/table-content.ts';
import { authenticator } from './support/authenticator.ts';
import { Random } from './support/random.ts';

const seal = new Seal('sixteen letters.', authenticator);

const life = fc.bigInt({ min: 1n, max: 2n ** 64n - 1n });
const sequence = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const name = fc.stringMatching(/^[a-z0-9_]{1,20}$/);
const tableName = { service: name, family: fc.constantFrom(4 as const, 6 as const) };
/** As objects are written, with a prototype. */
const record = ((model: never, options?: never) =>
  fc.record(model, options).map((found: object) => ({ ...found }))) as unknown as typeof fc.record;
const few = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 4 });
// Made of whole numbers: fc.double() takes the processor to be little-endian.
const finite = fc.maxSafeInteger().map((value) => value / 1024);
const share = fc.nat({ max: 10_000 }).map((value) => value / 10_000);
const connections = fc.nat();

const beat = record({
  kind: fc.constant('beat' as const),
  ...{ life, sequence },
  tables: few(record({ ...tableName, version: fc.nat() })),
  heard: few(record({ server: name, session: life, sequence })),
});
const table = fc.integer({ min: 1, max: 65535 }).chain((parts) =>
  record({
    kind: fc.constant('table' as const),
    ...{ life, sequence, ...tableName },
    version: sequence,
    part: fc.nat({ max: parts - 1 }),
    parts: fc.constant(parts),
    content: fc.uint8Array({ maxLength: 50 }),
  }),
);
const flows = record({
  kind: fc.constant('flows' as const),
  ...{ life, sequence, server: name, ...tableName },
  generation: sequence,
  part: fc.constant(1),
  parts: fc.integer({ min: 2, max: 65535 }),
  content: fc.uint8Array({ maxLength: 50 }),
});
const content = few(name).chain((members) =>
  record({
    lists: few(record({ server: name, generation: fc.nat(), flows: fc.uint8Array({ maxLength: 50 }) })),
    members: fc.constant(members),
    owners: fc
      .array(fc.nat({ max: members.length }), { minLength: 1, maxLength: 50 })
      .map((owners) => Uint16Array.from(owners, (owner) => (owner === members.length ? NOBODY : owner))),
  }),
);
const held = fc.array(fc.nat({ max: 1 }), { minLength: 1, maxLength: 50 }).map((bits) => Uint16Array.from(bits));
const report = record({
  kind: fc.constant('report' as const),
  ...{ life, sequence, server: name, epoch: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) },
  heard: few(record({ life, sequence })),
  tables: few(
    record(
      { ...tableName, version: fc.nat(), generation: fc.nat(), held },
      { requiredKeys: ['service', 'family', 'version', 'generation'] },
    ),
  ),
  health: few(record({ service: name, well: fc.boolean(), reason: fc.string({ maxLength: 60 }) })),
  load: fc.option(record({ connections, cpu: share, script: finite }, { requiredKeys: ['connections', 'cpu'] }), {
    nil: undefined,
  }),
});
const message = fc.oneof(beat, table, report, flows).map((any): Message => {
  if (any.kind !== 'report') return any;
  const { load, ...rest } = any;
  return load ? { ...rest, load } : rest;
});

test('what is written is read again', () => {
  fc.assert(
    fc.property(message, (sent) => {
      const datagram = seal.close(encodeMessage(sent));
      assert.is(peek(datagram), sent.kind);
      assert.ok(seal.holds(datagram));
      assert.equal(decodeMessage(datagram, sent.kind), sent);
    }),
    { numRuns: 300 },
  );
});

test('a message that is cut, longer, or of another length than it says is refused', () => {
  fc.assert(
    fc.property(message, fc.nat(), (sent, place) => {
      const datagram = seal.close(encodeMessage(sent));
      assert.is(peek(datagram.subarray(0, place % datagram.length)), 'truncated');
      assert.is(peek(Uint8Array.of(...datagram, 0)), 'truncated');
    }),
    { numRuns: 100 },
  );
  assert.is(peek(new Uint8Array(60_000)), 'truncated');
});

test('any bit counts', () => {
  fc.assert(
    fc.property(message, fc.nat(), (sent, bit) => {
      const datagram = seal.close(encodeMessage(sent));
      const at = Math.floor(bit / 8) % datagram.length;
      datagram[at] = (datagram[at] ?? 0) ^ (1 << (bit % 8));
      assert.is(seal.holds(datagram), false);
    }),
    { numRuns: 100 },
  );
});

test('another key makes another tag', () => {
  const other = new Seal('sixteen letters!', authenticator);
  assert.is(other.holds(seal.close(Uint8Array.of(1, 2, 3))), false);
  assert.is(seal.holds(new Uint8Array(TAG_LENGTH - 1)), false);
});

test('the tag is HMAC-SHA-256 as RFC 4231 has it', () => {
  // Test case 2, cut to 16 bytes.
  const text = Uint8Array.from('what do ya want for nothing?', (letter) => letter.charCodeAt(0));
  const tag = new Seal('Jefe', authenticator).close(text).subarray(text.length);
  assert.is([...tag].map((byte) => byte.toString(16).padStart(2, '0')).join(''), '5bdcc146bf60754e6a042426089575c7');
});

test('content that cannot be is not taken, whatever the tag says', () => {
  const random = new Random(7);
  const sent: Message = {
    kind: 'table',
    ...{ life: 9n, sequence: 3, service: 'web', family: 4, version: 2, part: 1, parts: 2 },
    content: Uint8Array.of(0, 1, 2, 3),
  };
  const whole = seal.close(encodeMessage(sent));
  const changed = (at: number, value: number): Uint8Array => {
    const copy = whole.slice();
    copy[at] = value;
    return copy;
  };
  assert.is(peek(changed(2, 1)), 'unknown');
  assert.is(peek(changed(3, 9)), 'unknown');
  // The family, behind 22 bytes of header and the name with its length.
  assert.is(decodeMessage(changed(26, 5), 'table'), undefined);
  // No version, and a part behind the last.
  assert.is(decodeMessage(changed(27, 0), 'table'), undefined);
  assert.is(decodeMessage(changed(28, 2), 'table'), undefined);
  // Read as another kind it would run over its end, or leave something.
  assert.is(decodeMessage(whole, 'beat'), undefined);
  assert.is(decodeMessage(whole, 'report'), undefined);
  // Whatever the bytes are, reading them ends without a throw.
  for (let round = 0; round < 2000; round++) {
    const noise = random.bytes(38 + random.below(80));
    for (const kind of ['beat', 'table', 'report', 'flows'] as const) decodeMessage(noise, kind);
  }
});

/** So many servers, with names as people give them, and slots spread over all of them. */
function spread(servers: number, gaps: boolean): TableContent {
  const members = Array.from({ length: servers }, (_, index) => `web${index}`);
  const owners = Uint16Array.from({ length: 4096 }, (_, slot) => (gaps && slot % 9 === 0 ? NOBODY : slot % servers));
  return { members, owners, lists: [] };
}

function partsOf(content: TableContent, version: number): TablePart[] {
  const name = { service: 'web', family: 4 as const };
  const parts = splitContent(packTable(content), name);
  return parts.map((part, index): TablePart => ({
    ...{ kind: 'table', life: 1n, sequence: index + 1, ...name, version },
    ...{ part: index, parts: parts.length, content: part },
  }));
}

test('what a table says is packed and unpacked', () => {
  fc.assert(fc.property(content, (packed) => assert.equal(unpackTable(packTable(packed)), packed)));
  const whole = packTable(spread(3, true));
  for (const length of [0, 1, 5, whole.length - 1]) {
    assert.throws(() => unpackTable(whole.subarray(0, length)), RangeError as never);
  }
  assert.throws(() => unpackTable(Uint8Array.of(...whole, 0)), /too long/);
  const random = new Random(11);
  for (let round = 0; round < 500; round++) {
    try {
      unpackTable(random.bytes(random.below(80)));
    } catch (error) {
      assert.instance(error, RangeError);
    }
  }
});

test('a table of a few servers goes into one datagram, one of many into several, and none is longer', () => {
  const sizes = [4, 8, 75, 256].flatMap((servers) =>
    [false, true].map((gaps) => {
      const parts = partsOf(spread(servers, gaps), 2 ** 50);
      for (const part of parts) assert.ok(seal.close(encodeMessage(part)).length <= DATAGRAM);
      return parts.length;
    }),
  );
  assert.equal(sizes, [1, 2, 2, 2, 3, 3, 5, 5]);
});

test('a table is taken when all parts of its version have come, in whatever order', () => {
  const random = new Random(4);
  const [old, now] = [spread(75, true), spread(75, false)];
  for (let round = 0; round < 20; round++) {
    const assembly = new Assembly();
    const late = random.shuffle(partsOf(old, 6)).slice(1);
    const all = random.shuffle(partsOf(now, 7));
    // Some of the old version, and what comes of the new one repeatedly and with the old one between.
    for (const part of late) assert.is(assembly.take(part), undefined);
    const last = all.pop();
    assert.ok(last);
    for (const part of random.shuffle([...all, ...all, ...late])) assert.is(assembly.take(part), undefined);
    assert.equal(unpackTable(assembly.take(last) ?? new Uint8Array()), now);
  }
});

test('a beat of many servers goes into as many datagrams as it needs, and names each once', () => {
  const tables = [4, 6].map((family) => ({ service: 'web', family: family as 4 | 6, version: 1000 }));
  for (const [count, beats] of [
    [0, 1],
    [4, 1],
    [75, 1],
    [256, 4],
  ] as const) {
    const heard = Array.from({ length: count }, (_, index) => ({
      ...{ server: `web${index}`, session: 2n ** 63n, sequence: 200_000 + index },
    }));
    const parts = splitHeard(tables, heard);
    assert.equal(parts.flat(), heard);
    assert.is(parts.length, beats, `${count} servers`);
    for (const part of parts) {
      const datagram = seal.close(
        encodeMessage({ kind: 'beat', life: 2n ** 63n, sequence: 2 ** 40, tables, heard: part }),
      );
      assert.ok(datagram.length <= DATAGRAM, `${datagram.length} bytes`);
    }
  }
});

test('numbers of any size take as many bytes as they need, and no more', () => {
  for (const [value, length] of [
    [0, 1],
    [127, 1],
    [128, 2],
    [16_383, 2],
    [16_384, 3],
    [Number.MAX_SAFE_INTEGER, 8],
  ] as const) {
    const bytes = new Writer().varint(value).finish();
    assert.is(bytes.length, length);
    assert.is(varintLength(value), length);
    assert.is(new Reader(bytes).varint(), value);
  }
  assert.throws(() => new Reader(Uint8Array.of(0x80, 0)).varint(), /longer/);
  assert.throws(() => new Reader(new Uint8Array(200).fill(0xff)).varint(), /too large/);
  assert.throws(() => new Reader(new Uint8Array(200).fill(0x80)).varint(), RangeError as never);
  assert.throws(() => new Reader(Uint8Array.of(0x80)).varint(), RangeError as never);
});

test('numbers take as few bits as they all need', () => {
  const numbers = Uint16Array.of(0, 4, 3, 1, 2);
  assert.is(packNumbers(numbers, 5).length, 2);
  assert.equal(unpackNumbers(packNumbers(numbers, 5), 5, 5), numbers);
  const servers = 256;
  const full = Uint16Array.from({ length: 4096 }, (_, slot) => slot % (servers + 1));
  assert.is(packNumbers(full, servers + 1).length, 4608);
  assert.equal(unpackNumbers(packNumbers(full, servers + 1), 4096, servers + 1), full);
  assert.throws(() => unpackNumbers(Uint8Array.of(0xff), 2, 5), /too large/);
});

test.run();
