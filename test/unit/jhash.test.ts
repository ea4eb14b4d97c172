import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { clientKey, slotOf, slotOfHash } from '../../src/allocation/client-key.ts';
import { jhash } from '../../src/allocation/jhash.ts';
import type { HashKey } from '../../src/config/model.ts';
import { addressFromBytes, parseAddress } from '../../src/net/address.ts';

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

test('published values of lookup3', () => {
  // Comments of Bob Jenkins' lookup3.c (2006), whose hashlittle the kernel's jhash is on a little-endian CPU.
  assert.is(jhash(ascii('Four score and seven years ago'), 0, true), 0x17770551);
  assert.is(jhash(ascii('Four score and seven years ago'), 1, true), 0xcd628161);
  assert.is(jhash(new Uint8Array(), 0, true), 0xdeadbeef);
  assert.is(jhash(new Uint8Array(), 0xdeadbeef, true), 0xbd5b7dde);
});

/** Length, then hashes of the first bytes of a fixed key: little-endian, big-endian, and with seed 0xffffffff in both. */
const vectors = [
  [4, 0x5543abaf, 0x5543abaf, 0xec384f3b, 0xec384f3b],
  [7, 0x301bab29, 0x301bab29, 0xf250b364, 0xf250b364],
  [8, 0x0c1bb17e, 0x0c1bb17e, 0xe297e245, 0xe297e245],
  [12, 0x73b457d6, 0x73b457d6, 0x1484a36e, 0x1484a36e],
  [13, 0x27e47c45, 0xa6d5a2d4, 0x8c0e71fe, 0x07811bb2],
  [15, 0x82fa042d, 0xc68efa79, 0x752f1ced, 0x6a6e97ad],
  [16, 0x1c66b695, 0xccff1ec4, 0xb66b06a7, 0x732d739c],
  [20, 0xbe6129c6, 0xe69c8fab, 0x34fd96e8, 0x0113c9d2],
  [24, 0x6cc1ad86, 0x81f3c24c, 0x5d16a872, 0x92e88a49],
] as const;

test('values of the same algorithm in C, run on x86-64 and on emulated big-endian MIPS', () => {
  const key = Uint8Array.from({ length: 24 }, (_, at) => at * 37 + 200);
  for (const [length, little, big, littleMost, bigMost] of vectors) {
    const part = key.subarray(0, length);
    assert.is(jhash(part, 0x12345678, true), little, `${length} bytes, little-endian`);
    assert.is(jhash(part, 0x12345678, false), big, `${length} bytes, big-endian`);
    assert.is(jhash(part, 0xffffffff, true), littleMost, `${length} bytes, little-endian, greatest seed`);
    assert.is(jhash(part, 0xffffffff, false), bigMost, `${length} bytes, big-endian, greatest seed`);
  }
});

const keys = fc.uint8Array({ minLength: 0, maxLength: 40 });
const seeds = fc.integer({ min: 0, max: 0xffff_ffff });

/** The key with the bytes of each word turned round, in the blocks that are read as words. */
function swapWords(key: Uint8Array): Uint8Array {
  const swapped = key.slice();
  const whole = key.length > 12 ? Math.floor((key.length - 1) / 12) * 12 : 0;
  for (let at = 0; at < whole; at += 4) swapped.subarray(at, at + 4).reverse();
  return swapped;
}

test('big-endian hashes are little-endian ones of swapped words', () => {
  fc.assert(
    fc.property(keys, seeds, (key, seed) => {
      assert.is(jhash(key, seed, false), jhash(swapWords(key), seed, true));
    }),
  );
});

test('hashes are 32-bit numbers, wherever in a buffer the key lies', () => {
  fc.assert(
    fc.property(keys, seeds, fc.nat({ max: 7 }), fc.boolean(), (key, seed, offset, littleEndian) => {
      const hash = jhash(key, seed, littleEndian);
      assert.ok(Number.isInteger(hash) && hash >= 0 && hash <= 0xffff_ffff);
      const buffer = new Uint8Array(offset + key.length + 9).fill(0xa5);
      buffer.set(key, offset);
      assert.is(jhash(buffer.subarray(offset, offset + key.length), seed, littleEndian), hash);
    }),
  );
});

test('slots are equal parts of the hash’s range', () => {
  for (const slots of [256, 512, 1024, 2048, 4096]) {
    const part = 2 ** 32 / slots;
    assert.is(slotOfHash(0, slots), 0);
    assert.is(slotOfHash(part - 1, slots), 0);
    assert.is(slotOfHash(part, slots), 1);
    assert.is(slotOfHash(2 ** 32 - 1, slots), slots - 1);
  }
});

const v4 = parseAddress('203.0.113.7') ?? addressFromBytes([0, 0, 0, 0]);
const v6 = parseAddress('2001:db8:1:2:3:4:5:6') ?? v4;
const ports = { client: 0x1234, service: 80 };
const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
const key = (client: typeof v4, hash: HashKey, hashPrefix6: number, withPorts: boolean): string =>
  hex(clientKey({ client, protocol: 47, ...(withPorts ? { ports } : {}) }, { hash, hashPrefix6 }));

test('keys lie as in the registers of nftables: fields begin on four bytes, the last one is padded too', () => {
  assert.is(key(v4, 'source', 64, true), 'cb007107');
  assert.is(key(v4, 'source_port', 64, true), 'cb007107' + '12340000' + '00500000');
  assert.is(key(v4, 'source_port', 64, false), 'cb007107' + '2f000000');
  assert.is(key(v6, 'source', 56, true), '20010db8000100');
  assert.is(key(v6, 'source', 128, false), '20010db8000100020003000400050006');
  assert.is(key(v6, 'source_port', 56, true), '20010db8000100' + '00' + '12340000' + '00500000');
  assert.is(key(v6, 'source_port', 72, false), '20010db80001000200' + '000000' + '2f000000');
});

test('IPv6 clients that differ behind the prefix only share a slot', () => {
  const service = { hash: 'source', hashPrefix6: 64, slots: 4096, seed: 5 } as const;
  const slots = ['2001:db8:1:2::1', '2001:db8:1:2:ffff::9', '2001:db8:1:3::1'].map((text) =>
    slotOf({ client: parseAddress(text) ?? v6, protocol: 6 }, service, true),
  );
  assert.is(slots[0], slots[1]);
  assert.is.not(slots[0], slots[2]);
});

test('only keys of more than twelve bytes depend on the byte order', () => {
  const service = { hashPrefix6: 64, slots: 4096, seed: 5 };
  const differs = (client: typeof v4, hash: HashKey): boolean => {
    const packet = { client, protocol: 6, ports };
    return slotOf(packet, { ...service, hash }, true) !== slotOf(packet, { ...service, hash }, false);
  };
  assert.not(differs(v4, 'source'));
  assert.not(differs(v4, 'source_port'));
  assert.not(differs(v6, 'source'));
  assert.ok(differs(v6, 'source_port'));
});

test.run();
