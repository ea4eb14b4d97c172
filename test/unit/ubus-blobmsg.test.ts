import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Table, Writable, WritableTable } from '../../src/ubus/blobmsg.ts';
import { Typed, decodeEntries, decodeTable, double, encodeTable, int32, int64 } from '../../src/ubus/blobmsg.ts';
import { decodeMessage } from '../../src/ubus/message.ts';
import { attributesOf, encodedAgain, fromHex, toHex } from '../ubus/recorded.ts';
import { recordedMessages } from './ubus-recordings.ts';

const typesOf = (table: WritableTable): Record<string, string> =>
  Object.fromEntries((decodeEntries(encodeTable(table)) ?? []).map(([name, { type }]) => [name, type]));

test('recorded messages mean what they meant', () => {
  for (const recorded of recordedMessages) {
    const message = decodeMessage(fromHex(recorded.hex));
    assert.equal(
      [message.type, message.seq, message.peer],
      [recorded.type, recorded.seq, recorded.peer],
      recorded.scenario,
    );
    assert.equal(attributesOf(message), recorded.attributes, recorded.scenario);
  }
});

test('recorded messages come out the same again', () => {
  for (const { hex, scenario } of recordedMessages) assert.is(toHex(encodedAgain(fromHex(hex))), hex, scenario);
});

test('every type has its plain value', () => {
  const bytes = encodeTable([
    ['nothing', new Typed('unspec', null)],
    ['list', new Typed('array', [int32(1), new Typed('string', 'x')])],
    ['table', new Typed('table', [['inner', int32(-2)]])],
    ['text', new Typed('string', 'zażółć')],
    ['small', int64(5)],
    ['large', int64(-(2n ** 62n))],
    ['i32', int32(0xffffffff)],
    ['i16', new Typed('int16', -3)],
    ['yes', new Typed('int8', 127)],
    ['no', new Typed('int8', 0)],
    ['real', double(1)],
  ]);
  assert.equal(decodeTable(bytes), {
    nothing: null,
    list: [1, 'x'],
    table: { inner: -2 },
    text: 'zażółć',
    small: 5,
    large: -(2n ** 62n),
    i32: -1,
    i16: -3,
    yes: true,
    no: false,
    real: 1,
  });
});

test('plain values get the types that JSON readers of the bus give them', () => {
  const types = typesOf({
    max32: 2147483647,
    min32: -2147483648,
    over32: 2147483648,
    big: 1n,
    fraction: 1.5,
    minusZero: -0,
    huge: 1e300,
    notANumber: NaN,
    flag: true,
    nothing: null,
    text: '',
    list: [],
    table: {},
    left: undefined,
  });
  assert.equal(types, {
    max32: 'int32',
    min32: 'int32',
    over32: 'int64',
    big: 'int64',
    fraction: 'double',
    minusZero: 'double',
    huge: 'double',
    notANumber: 'double',
    flag: 'int8',
    nothing: 'unspec',
    text: 'string',
    list: 'array',
    table: 'table',
  });
});

test('order and repeated names survive with types; the last of a name counts without', () => {
  const bytes = encodeTable([
    ['b', int32(1)],
    ['a', int32(2)],
    ['b', int32(3)],
  ]);
  assert.equal(
    decodeEntries(bytes)?.map(([name]) => name),
    ['b', 'a', 'b'],
  );
  assert.equal(decodeTable(bytes), { b: 3, a: 2 });
});

test('a member called __proto__ is a member', () => {
  const table = decodeTable(encodeTable([['__proto__', new Typed('table', [['polluted', int32(1)]])]]));
  assert.equal(Object.keys(table ?? {}), ['__proto__']);
  assert.is((table as Record<string, unknown>).polluted, undefined);
});

test('text on the bus ends at its first NUL, and cannot be sent with one', () => {
  const bytes = encodeTable({ text: 'ab' });
  const changed = fromHex(toHex(bytes).replace('616200', '610000'));
  assert.equal(decodeTable(changed), { text: 'a' });
  assert.throws(() => encodeTable({ text: 'a\0b' }), /NUL/);
  assert.throws(() => encodeTable({ 'a\0b': 1 }), /NUL/);
});

test('deep nesting is refused both ways', () => {
  const nested = (depth: number): Writable => (depth === 0 ? {} : { in: nested(depth - 1) });
  const nestedLists = (depth: number): Writable => (depth === 0 ? [] : [nestedLists(depth - 1)]);
  assert.ok(decodeTable(encodeTable({ top: nested(60) })));
  assert.throws(() => encodeTable({ top: nested(70) }), /nested/);
  assert.throws(() => encodeTable({ top: nestedLists(70) }), /nested/);
  // As deep as a message of the largest size can be: arrays without names, 8 bytes a level.
  const levels = 1048576 / 8;
  const bytes = new Uint8Array(levels * 8);
  const view = new DataView(bytes.buffer);
  for (let level = 0; level < levels; level++) view.setUint32(level * 8, 0x81000000 + (levels - level) * 8);
  assert.is(decodeTable(bytes), undefined);
});

test('what is malformed is told, not guessed', () => {
  const whole = encodeTable({ number: 1, text: 'abcdefg', list: [1, 2] });
  for (let length = 1; length < whole.length; length++) {
    const table = decodeTable(whole.subarray(0, length));
    // Cut between two entries, it is a smaller table.
    if (table) assert.ok(Object.keys(table).length < 3);
  }
  const broken: readonly (readonly [string, string])[] = [
    ['an unknown type', '890000080001610000000000'],
    ['an int32 of two bytes', '8500000a0001610000010000'],
    ['a string without NUL', '8300000c0001610061616161'],
    ['a string of no bytes', '8300000800016100'],
    ['a name that reaches over the end', '8500000c00ff610000000001'],
    ['a name without NUL', '8500000c0001616100000001'],
    ['a length below that of the header', '85000003'],
    ['an attribute that reaches over the end', '8500000c00016100'],
    ['stray bytes', '0000'],
  ];
  for (const [what, hex] of broken) assert.is(decodeTable(fromHex(hex)), undefined, what);
});

const scalar = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).filter((value) => !Number.isSafeInteger(Number(value))),
  fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
);
const name = fc
  .string({ unit: 'grapheme', maxLength: 9 })
  .filter((text) => !text.includes('\0') && text !== '__proto__');
const { table } = fc.letrec<{ table: Table; value: Writable }>((tie) => ({
  table: fc.dictionary(name, tie('value') as fc.Arbitrary<Table>, { maxKeys: 6, noNullPrototype: true }),
  value: fc.oneof(
    { depthSize: 'small' },
    scalar,
    fc.array(tie('value'), { maxLength: 5 }) as fc.Arbitrary<Writable>,
    tie('table'),
  ),
}));

test('what is written reads the same', () => {
  fc.assert(fc.property(table, (value) => assert.equal(decodeTable(encodeTable(value)), value)));
});

test('what is read with types is written the same', () => {
  fc.assert(
    fc.property(table, (value) => {
      const bytes = encodeTable(value);
      assert.equal(encodeTable(decodeEntries(bytes) ?? []), bytes);
    }),
  );
});

test('no bytes make the decoder throw', () => {
  fc.assert(
    fc.property(table, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), (value, changes) => {
      const bytes = encodeTable(value).slice();
      for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte;
      decodeTable(bytes);
      decodeEntries(bytes);
    }),
    { numRuns: 300 },
  );
});

test.run();
