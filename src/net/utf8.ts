/**
 * UTF-8 (RFC 3629), written out because QuickJS has no `TextEncoder` and the core must not ask the host. Behaves like
 * `TextEncoder` and `TextDecoder`: what cannot be expressed becomes U+FFFD.
 */

const REPLACEMENT = 0xfffd;
/** Bytes turned into text at a time: `apply` puts every one on the stack. */
const CHUNK = 4096;

/** Encodes text; a lone surrogate becomes U+FFFD. */
export function encodeUtf8(text: string): Uint8Array {
  const ascii = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit >= 0x80) return encodeFrom(text, index, ascii);
    ascii[index] = unit;
  }
  return ascii;
}

/** Encodes the rest of a text whose first `start` characters are ASCII and encoded already. */
function encodeFrom(text: string, start: number, ascii: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(start + (text.length - start) * 3);
  bytes.set(ascii.subarray(0, start));
  let at = start;
  for (let index = start; index < text.length; index++) {
    const point = codePointAt(text, index);
    if (point < 0x80) {
      bytes[at++] = point;
      continue;
    }
    if (point < 0x800) {
      bytes[at++] = 0xc0 | (point >> 6);
    } else {
      if (point < 0x10000) {
        bytes[at++] = 0xe0 | (point >> 12);
      } else {
        bytes[at++] = 0xf0 | (point >> 18);
        bytes[at++] = 0x80 | ((point >> 12) & 0x3f);
        index++;
      }
      bytes[at++] = 0x80 | ((point >> 6) & 0x3f);
    }
    bytes[at++] = 0x80 | (point & 0x3f);
  }
  return bytes.slice(0, at);
}

/** Decodes bytes; each maximal ill-formed part (Unicode 15, table 3-8) becomes one U+FFFD. A byte order mark stays. */
export function decodeUtf8(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length;) {
    const end = endOfAscii(bytes, at);
    if (end > at) {
      text += textOf(bytes.subarray(at, end));
      at = end;
    } else {
      const sequence = readSequence(bytes, at);
      text += String.fromCodePoint(sequence >> 3);
      at += sequence & 7;
    }
  }
  return text;
}

/** Where the ASCII characters from `start` on end, or a chunk of them does. */
function endOfAscii(bytes: Uint8Array, start: number): number {
  const limit = Math.min(bytes.length, start + CHUNK);
  let end = start;
  while (end < limit && (bytes[end] ?? 0x80) < 0x80) end++;
  return end;
}

function textOf(units: Uint8Array): string {
  return String.fromCharCode.apply(null, units as unknown as number[]);
}

/** The code point and its length in bytes as `point << 3 | length`: one number, since a string may have a million of them. */
function readSequence(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] ?? 0;
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
