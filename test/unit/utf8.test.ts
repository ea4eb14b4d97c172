import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeUtf8, encodeUtf8 } from '../../src/net/utf8.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

test('encodes each length of sequence', () => {
  assert.equal(encodeUtf8('A'), bytes(0x41));
  assert.equal(encodeUtf8('é'), bytes(0xc3, 0xa9));
  assert.equal(encodeUtf8('€'), bytes(0xe2, 0x82, 0xac));
  assert.equal(encodeUtf8('😀'), bytes(0xf0, 0x9f, 0x98, 0x80));
  assert.equal(encodeUtf8('\u{10ffff}'), bytes(0xf4, 0x8f, 0xbf, 0xbf));
  assert.equal(encodeUtf8(''), bytes());
});

test('a lone surrogate becomes U+FFFD', () => {
  assert.equal(encodeUtf8('a\ud800b'), encodeUtf8('a\ufffdb'));
  assert.equal(encodeUtf8('\udc00'), encodeUtf8('\ufffd'));
});

test('each maximal ill-formed part becomes one U+FFFD', () => {
  // Unicode 15, table 3-8 and the text around it.
  assert.is(
    decodeUtf8(bytes(0x61, 0xf1, 0x80, 0x80, 0xe1, 0x80, 0xc2, 0x62, 0x80, 0x63, 0x80, 0xbf, 0x64)),
    'a\ufffd\ufffd\ufffdb\ufffdc\ufffd\ufffdd',
  );
  assert.is(decodeUtf8(bytes(0xc0, 0xaf, 0xe0, 0x80, 0xbf, 0xf0, 0x81, 0x82, 0x41)), '\ufffd'.repeat(8) + 'A');
  assert.is(decodeUtf8(bytes(0xed, 0xa0, 0x80, 0xed, 0xbf, 0xbf, 0xed, 0xaf, 0x41)), '\ufffd'.repeat(8) + 'A');
  assert.is(
    decodeUtf8(bytes(0xf4, 0x91, 0x92, 0x93, 0xff, 0x41, 0x80, 0xbf, 0x42)),
    '\ufffd'.repeat(5) + 'A\ufffd\ufffdB',
  );
  assert.is(decodeUtf8(bytes(0xe2, 0x82)), '\ufffd');
});

test('what is encoded decodes to itself, also where chunks meet', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), fc.nat(5000), (text, padding) => {
      const whole = 'x'.repeat(padding) + text;
      assert.is(decodeUtf8(encodeUtf8(whole)), whole);
    }),
  );
});

test('any bytes decode to something that encodes to well-formed bytes', () => {
  const reference = (globalThis as { TextDecoder?: typeof TextDecoder }).TextDecoder;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (given) => {
      const text = decodeUtf8(given);
      assert.is(decodeUtf8(encodeUtf8(text)), text);
      // Where the engine has a decoder of its own (Node), it must agree.
      if (reference) assert.is(text, new reference('utf-8', { ignoreBOM: true }).decode(given));
    }),
    { numRuns: 2000 },
  );
});

test.run();
