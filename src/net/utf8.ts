/**
 * UTF-8 (RFC 3629), written out because QuickJS has no `TextEncoder` and the core must not ask the host. Behaves like
 * `TextEncoder` and `TextDecoder`: what cannot be expressed becomes U+FFFD.
 */

const REPLACEMENT = 0xfffd;
/** Code units turned into text at a time: `apply` puts every one on the stack. */
const CHUNK = 4096;

/** Encodes text; a lone surrogate becomes U+FFFD. */
export function encodeUtf8(text: string): Uint8Array {
  const bytes = new Uint8Array(encodedLength(text));
  let at = 0;
  for (let index = 0; index < text.length; index++) {
    const point = codePointAt(text, index);
    if (point < 0x80) {
      bytes[at++] = point;
    } else if (point < 0x800) {
      bytes[at++] = 0xc0 | (point >> 6);
      bytes[at++] = 0x80 | (point & 0x3f);
    } else {
      if (point < 0x10000) {
        bytes[at++] = 0xe0 | (point >> 12);
      } else {
        bytes[at++] = 0xf0 | (point >> 18);
        bytes[at++] = 0x80 | ((point >> 12) & 0x3f);
        index++;
      }
      bytes[at++] = 0x80 | ((point >> 6) & 0x3f);
      bytes[at++] = 0x80 | (point & 0x3f);
    }
  }
  return bytes;
}

/** Decodes bytes; each maximal ill-formed part (Unicode 15, table 3-8) becomes one U+FFFD. A byte order mark stays. */
export function decodeUtf8(bytes: Uint8Array): string {
  const units = new Uint16Array(Math.min(CHUNK, bytes.length) + 1);
  let text = '';
  let count = 0;
  for (let at = 0; at < bytes.length;) {
    const sequence = readSequence(bytes, at);
    at += sequence & 7;
    const point = sequence >> 3;
    if (point < 0x10000) {
      units[count++] = point;
    } else {
      units[count++] = 0xd7c0 + (point >> 10);
      units[count++] = 0xdc00 | (point & 0x3ff);
    }
    if (count >= CHUNK) {
      text += unitsToText(units, count);
      count = 0;
    }
  }
  return text + unitsToText(units, count);
}

function unitsToText(units: Uint16Array, count: number): string {
  return String.fromCharCode.apply(null, units.subarray(0, count) as unknown as number[]);
}

/** The code point and its length in bytes as `point << 3 | length`: one number, since a string may have a million of them. */
function readSequence(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] ?? 0;
  if (lead < 0x80) return (lead << 3) | 1;
  const following =
    lead >= 0xc2 && lead <= 0xdf ? 1 : lead >= 0xe0 && lead <= 0xef ? 2 : lead >= 0xf0 && lead <= 0xf4 ? 3 : 0;
  if (following === 0) return (REPLACEMENT << 3) | 1;
  let point = lead & (0x3f >> following);
  for (let index = 1; index <= following; index++) {
    const byte = bytes[at + index] ?? 0;
    let low = 0x80;
    let high = 0xbf;
    // Overlong forms, surrogates and what lies above U+10FFFF show in the second byte.
    if (index === 1) {
      if (lead === 0xe0) low = 0xa0;
      else if (lead === 0xed) high = 0x9f;
      else if (lead === 0xf0) low = 0x90;
      else if (lead === 0xf4) high = 0x8f;
    }
    if (byte < low || byte > high) return (REPLACEMENT << 3) | index;
    point = (point << 6) | (byte & 0x3f);
  }
  return (point << 3) | (following + 1);
}

function codePointAt(text: string, index: number): number {
  const point = text.codePointAt(index) ?? 0;
  return point >= 0xd800 && point <= 0xdfff ? REPLACEMENT : point;
}

function encodedLength(text: string): number {
  let length = 0;
  for (let index = 0; index < text.length; index++) {
    const point = codePointAt(text, index);
    if (point >= 0x10000) {
      length += 4;
      index++;
    } else {
      length += point < 0x80 ? 1 : point < 0x800 ? 2 : 3;
    }
  }
  return length;
}
