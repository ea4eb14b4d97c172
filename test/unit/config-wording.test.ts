import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { whyUnusable } from '../../src/config/unusable.ts';
import { alternatives, count, nearest, quote } from '../../src/config/wording.ts';
import { parseAddress } from '../../src/net/address.ts';

test('quote: one line, at most 60 characters', () => {
  assert.is(quote('plain'), "'plain'");
  assert.is(quote('a\nb\tc\r\0\x1b\u2028\u200b'), "'a\\nb\\tc\\r\\u{0}\\u{1b}\\u{2028}\\u{200b}'");
  assert.is(quote('x'.repeat(60)), `'${'x'.repeat(60)}'`);
  assert.is(quote('x'.repeat(61)), `'${'x'.repeat(60)}…'`);
  assert.is(quote('\u{1f600}'.repeat(60)), `'${'\u{1f600}'.repeat(60)}'`);
});

test('alternatives and counts', () => {
  assert.is(alternatives([]), '');
  assert.is(alternatives(['a']), 'a');
  assert.is(alternatives(['a', 'b']), 'a or b');
  assert.is(alternatives(['a', 'b', 'c']), 'a, b or c');
  assert.is(count(1, 'server'), '1 server');
  assert.is(count(0, 'server'), '0 servers');
});

test('nearest: two edits at most, and fewer than half of the word', () => {
  const options = ['ghost', 'port', 'proto', 'hash_prefix6'];
  assert.is(nearest('ghsot', options), 'ghost');
  assert.is(nearest('ports', options), 'port');
  assert.is(nearest('prt', options), 'port');
  assert.is(nearest('protocol', options), undefined);
  assert.is(nearest('hashprefix', options), 'hash_prefix6');
  assert.is(nearest('hashprefx', options), undefined);
  assert.is(nearest('po', options), undefined);
  assert.is(nearest('', options), undefined);
  assert.is(nearest('port', []), undefined);
});

test('unusable addresses end where their prefixes end', () => {
  const usable = [
    '1.0.0.0',
    '126.255.255.255',
    '128.0.0.1',
    '169.253.0.1',
    '170.254.0.1',
    '223.255.255.255',
    '240.0.0.1',
  ];
  const usable6 = ['::2', '2001:db8::1', '2080::1', 'fd00::1', 'fec0::1', 'fe7f::1', '::ffff:1', '64:ff9b::1'];
  for (const text of [...usable, ...usable6]) {
    const address = parseAddress(text);
    assert.ok(address, text);
    assert.is(whyUnusable(address), undefined, text);
  }
});

test.run();
