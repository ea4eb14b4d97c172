/** Bits that tell `values` different numbers apart. */
function widthFor(values: number): number {
  return Math.max(1, Math.ceil(Math.log2(values)));
}

/** Bytes that `packNumbers` makes. */
export function packedLength(count: number, values: number): number {
  return Math.ceil((count * widthFor(values)) / 8);
}

/** Numbers below `values` (at most 65536), each in as few bits as they all need, the highest bit first. */
export function packNumbers(numbers: ArrayLike<number>, values: number): Uint8Array {
  const width = widthFor(values);
  const packed = new Uint8Array(packedLength(numbers.length, values));
  let held = 0;
  let bits = 0;
  let at = 0;
  for (let index = 0; index < numbers.length; index++) {
    held = (held << width) | (numbers[index] ?? 0);
    for (bits += width; bits >= 8; bits -= 8) packed[at++] = (held >> (bits - 8)) & 0xff;
    held &= (1 << bits) - 1;
  }
  if (bits > 0) packed[at] = (held << (8 - bits)) & 0xff;
  return packed;
}

/** Reverses `packNumbers`; throws `RangeError` where a number is not below `values`, or bits behind the last are set. */
export function unpackNumbers(packed: Uint8Array, count: number, values: number): Uint16Array {
  const width = widthFor(values);
  const numbers = new Uint16Array(count);
  let held = 0;
  let bits = 0;
  let at = 0;
  for (let index = 0; index < count; index++) {
    for (; bits < width; bits += 8) held = (held << 8) | (packed[at++] ?? 0);
    bits -= width;
    const number = held >> bits;
    held &= (1 << bits) - 1;
    if (number >= values) throw new RangeError('number too large');
    numbers[index] = number;
  }
  if (held !== 0) throw new RangeError('bits behind the last number');
  return numbers;
}
