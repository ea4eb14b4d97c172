const INITIAL = 0xdeadbeef;

/**
 * Bob Jenkins' lookup3 as the kernel has it (`jhash` in include/linux/jhash.h), which nftables' `jhash` expression calls.
 * It reads words in the CPU's byte order, so that the same client has another hash on a big-endian router.
 *
 * @param key bytes as they stand in nftables' registers
 * @param seed 0–4294967295
 * @returns 0–4294967295
 */
export function jhash(key: Uint8Array, seed: number, littleEndian: boolean): number {
  const words = new DataView(key.buffer, key.byteOffset, key.byteLength);
  let a = (INITIAL + key.length + seed) | 0;
  let b = a;
  let c = a;
  let at = 0;
  let left = key.length;
  for (; left > 12; left -= 12, at += 12) {
    a = (a + words.getUint32(at, littleEndian)) | 0;
    b = (b + words.getUint32(at + 4, littleEndian)) | 0;
    c = (c + words.getUint32(at + 8, littleEndian)) | 0;
    a = (a - c) ^ rotate(c, 4);
    c = (c + b) | 0;
    b = (b - a) ^ rotate(a, 6);
    a = (a + c) | 0;
    c = (c - b) ^ rotate(b, 8);
    b = (b + a) | 0;
    a = (a - c) ^ rotate(c, 16);
    c = (c + b) | 0;
    b = (b - a) ^ rotate(a, 19);
    a = (a + c) | 0;
    c = (c - b) ^ rotate(b, 4);
    b = (b + a) | 0;
  }
  if (left === 0) return c >>> 0;

  // The rest is read byte by byte, the first one lowest, whatever the CPU's order.
  const byte = (index: number, shift: number) => (index < left ? (key[at + index] ?? 0) << shift : 0);
  a = (a + (byte(0, 0) | byte(1, 8) | byte(2, 16) | byte(3, 24))) | 0;
  b = (b + (byte(4, 0) | byte(5, 8) | byte(6, 16) | byte(7, 24))) | 0;
  c = (c + (byte(8, 0) | byte(9, 8) | byte(10, 16) | byte(11, 24))) | 0;
  c = (c ^ b) - rotate(b, 14);
  a = (a ^ c) - rotate(c, 11);
  b = (b ^ a) - rotate(a, 25);
  c = (c ^ b) - rotate(b, 16);
  a = (a ^ c) - rotate(c, 4);
  b = (b ^ a) - rotate(a, 14);
  c = (c ^ b) - rotate(b, 24);
  return c >>> 0;
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
