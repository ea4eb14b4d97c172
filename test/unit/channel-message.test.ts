import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NOBODY, TAG_LENGTH, decodeMessage, encodeMessage, peek } from '../../src/channel/message.ts';
import type { Message } from '../../src/channel/message.ts';
import { Seal } from '../../src/channel/seal.ts';
import { packNumbers, unpackNumbers } from '../../src/channel/slot-numbers.ts';
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
const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
const share = fc.double({ min: 0, max: 1, noNaN: true }).map((value) => Math.abs(value));
const connections = fc.nat();

const beat = record({
  kind: fc.constant('beat' as const),
  ...{ life, sequence },
  tables: few(record({ ...tableName, version: fc.nat() })),
  heard: few(record({ server: name, session: life, sequence })),
});
const table = few(name).chain((members) =>
  record({
    kind: fc.constant('table' as const),
    ...{ life, sequence, ...tableName },
    version: fc.integer({ min: 1, max: 2 ** 40 }),
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
  tables: few(record({ ...tableName, version: fc.nat(), held }, { requiredKeys: ['service', 'family', 'version'] })),
  health: few(record({ service: name, well: fc.boolean(), reason: fc.string({ maxLength: 60 }) })),
  load: fc.option(record({ connections, cpu: share, script: finite }, { requiredKeys: ['connections', 'cpu'] }), {
    nil: undefined,
  }),
});
const message = fc.oneof(beat, table, report).map((any): Message => {
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
    ...{ life: 9n, sequence: 3, service: 'web', family: 4, version: 2, members: ['anna', 'bert'] },
    owners: Uint16Array.of(0, 1, NOBODY, 0),
  };
  const whole = seal.close(encodeMessage(sent));
  const changed = (at: number, value: number): Uint8Array => {
    const copy = whole.slice();
    copy[at] = value;
    return copy;
  };
  assert.is(peek(changed(2, 2)), 'unknown');
  assert.is(peek(changed(3, 9)), 'unknown');
  // The family, behind 22 bytes of header and the name with its length.
  assert.is(decodeMessage(changed(26, 5), 'table'), undefined);
  // Read as another kind it would run over its end, or leave something.
  assert.is(decodeMessage(whole, 'beat'), undefined);
  assert.is(decodeMessage(whole, 'report'), undefined);
  // Whatever the bytes are, reading them ends without a throw.
  for (let round = 0; round < 2000; round++) {
    const noise = random.bytes(38 + random.below(80));
    for (const kind of ['beat', 'table', 'report'] as const) decodeMessage(noise, kind);
  }
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
