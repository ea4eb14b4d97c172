import { decodeUtf8, encodeUtf8 } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { refusesAllBut } from './support/throws.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

test('text of every width comes back as it was', () => {
  for (const text of ['', 'plain', 'é', 'ÿ', '€', '日本', '😀', 'a\0b', '\uffff', 'x'.repeat(100_000) + '😀']) {
    assert.is(decodeUtf8(encodeUtf8(text)), text);
  }
  assert.equal(encodeUtf8('aé€😀'), bytes(0x61, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80));
});

// The "maximal subpart" practice of the Unicode standard, section 3.9, as the WHATWG has it.
test('each maximal part of a malformed sequence becomes one U+FFFD', () => {
  const cases: [number[], string][] = [
    [[0x80], '\ufffd'],
    [[0xff, 0xfe], '\ufffd\ufffd'],
    [[0xc0, 0xaf], '\ufffd\ufffd'],
    [[0xe2, 0x82], '\ufffd'],
    [[0xe2, 0x82, 0x41], '\ufffdA'],
    [[0xf0, 0x9f, 0x98], '\ufffd'],
    [[0xed, 0xa0, 0x80], '\ufffd\ufffd\ufffd'],
    [[0xf4, 0x90, 0x80, 0x80], '\ufffd\ufffd\ufffd\ufffd'],
    [[0x61, 0xf1, 0x80, 0x80, 0xe1, 0x80, 0xc2, 0x62, 0x80, 0x63], 'a\ufffd\ufffd\ufffdb\ufffdc'],
  ];
  for (const [input, expected] of cases) assert.is(decodeUtf8(bytes(...input)), expected);
});

test('lone surrogates become U+FFFD, pairs do not', () => {
  assert.equal(encodeUtf8('a\ud800b'), bytes(0x61, 0xef, 0xbf, 0xbd, 0x62));
  assert.equal(encodeUtf8('\udc00'), bytes(0xef, 0xbf, 0xbd));
  assert.equal(encodeUtf8('\ud83d\ude00'), bytes(0xf0, 0x9f, 0x98, 0x80));
  assert.equal(encodeUtf8('\ud7ff'), bytes(0xed, 0x9f, 0xbf));
});

test('part of a buffer is that part', () => {
  assert.is(decodeUtf8(encodeUtf8('abcdef').subarray(2, 4)), 'cd');
  assert.is(decodeUtf8(new Uint8Array(0)), '');
});

test('wrong arguments, and a buffer that has been taken away', () => {
  refusesAllBut(['text'], (value) => encodeUtf8(value));
  refusesAllBut(['bytes'], (value) => decodeUtf8(value));
  for (const other of [new Uint16Array(2), new Uint8ClampedArray(2), new DataView(new ArrayBuffer(2))]) {
    assert.throws(
      () => decodeUtf8(other as unknown as Uint8Array),
      (error: unknown) => error instanceof TypeError,
    );
  }
  const gone = encodeUtf8('gone');
  (gone.buffer as ArrayBuffer & { transfer(): ArrayBuffer }).transfer();
  assert.throws(
    () => decodeUtf8(gone),
    (error: unknown) => error instanceof TypeError,
  );
});

test.run();
