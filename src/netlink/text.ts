import { decodeUtf8 } from '../net/utf8.ts';

/** Text of bytes up to the first NUL. */
export function textFromBytes(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decodeUtf8(end < 0 ? bytes : bytes.subarray(0, end));
}

/** A link-layer address as `ip link` prints it: `02:00:00:00:00:01`. */
export function hardwareText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** The bytes of such a text. */
export function hardwareBytes(text: string): Uint8Array {
  return Uint8Array.from(text.split(':'), (byte) => Number.parseInt(byte, 16));
}
