import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { encodeUtf8, equalBytes, hmacSha256, randomBytes } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../unit/support/random.ts';
import { refusesAllBut } from './support/throws.ts';

const { ONEIP_FOREIGN: foreign = false } = globalThis as { ONEIP_FOREIGN?: boolean };

const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
const repeated = (byte: number, count: number): Uint8Array => new Uint8Array(count).fill(byte);
/** The whole numbers from 1 on. */
const counted = (count: number): Uint8Array => Uint8Array.from({ length: count }, (_, index) => index + 1);

test('the test cases of RFC 4231', () => {
  const cases: [Uint8Array, Uint8Array, string][] = [
    [repeated(0x0b, 20), encodeUtf8('Hi There'), 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
    [
      encodeUtf8('Jefe'),
      encodeUtf8('what do ya want for nothing?'),
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    ],
    [repeated(0xaa, 20), repeated(0xdd, 50), '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe'],
    [counted(25), repeated(0xcd, 50), '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b'],
    [
      repeated(0xaa, 131),
      encodeUtf8('Test Using Larger Than Block-Size Key - Hash Key First'),
      '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
    ],
    [
      repeated(0xaa, 131),
      encodeUtf8(
        'This is a test using a larger than block-size key and a larger than block-size data. ' +
          'The key needs to be hashed before being used by the HMAC algorithm.',
      ),
      '9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2',
    ],
  ];
  for (const [key, data, tag] of cases) assert.is(hex(hmacSha256(key, data)), tag);
  // Case 5 is given cut to 128 bits.
  const cut = hmacSha256(repeated(0x0c, 20), encodeUtf8('Test With Truncation')).subarray(0, 16);
  assert.is(hex(cut), 'a3b6167473100ee06e0c796c2955552b');
});

test('keys and data of every length around the ends of blocks, wherever in memory they begin', () => {
  const random = new Random(3);
  const key = random.bytes(80);
  const data = random.bytes(300);
  // What one length does at one place another does at another: all pairs take an emulated processor too long.
  for (let length = 0; length <= 200; length++) {
    const at = length % 8;
    const part = data.subarray(at, at + length);
    const own = key.subarray(length % 5, (length % 5) + (length % 75));
    assert.is(hex(hmacSha256(own, part)), hex(hmac(sha256, own, part)), `${own.length} and ${length} bytes`);
  }
});

test('a million bytes, and random ones', () => {
  const key = encodeUtf8('sixteen letters.');
  const size = foreign ? 20_000 : 1_000_000;
  const long = repeated(0x61, size);
  assert.is(hex(hmacSha256(key, long)), hex(hmac(sha256, key, long)));
  for (let round = 0; round < (foreign ? 20 : 200); round++) {
    const own = randomBytes((round * 7) % 100);
    const data = randomBytes((round * 131) % 3000);
    assert.is(hex(hmacSha256(own, data)), hex(hmac(sha256, own, data)), `${hex(own)} over ${hex(data)}`);
  }
});

test('what is given stays as it is', () => {
  const key = counted(40);
  const data = counted(100);
  hmacSha256(key, data);
  assert.equal(key, counted(40));
  assert.equal(data, counted(100));
});

test('bytes are equal where all of them are', () => {
  const random = new Random(9);
  for (const length of [0, 1, 15, 16, 33]) {
    const one = random.bytes(length);
    assert.is(equalBytes(one, one.slice()), true);
    assert.is(equalBytes(one, Uint8Array.of(...one, 0)), false);
    for (let bit = 0; bit < length * 8; bit++) {
      const other = one.slice();
      other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.is(equalBytes(one, other), false, `bit ${bit} of ${length} bytes`);
    }
  }
});

test('nothing but bytes is taken', () => {
  const some = new Uint8Array(4);
  refusesAllBut(['bytes'], (value) => hmacSha256(value, some));
  refusesAllBut(['bytes'], (value) => hmacSha256(some, value));
  refusesAllBut(['bytes'], (value) => equalBytes(value, some));
  refusesAllBut(['bytes'], (value) => equalBytes(some, value));
});

test.run();
