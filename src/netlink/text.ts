/** Text of bytes up to the first NUL: UTF-8, or byte by byte where it is none (a device name may be any bytes). */
export function textFromBytes(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  const used = Array.from(end < 0 ? bytes : bytes.subarray(0, end));
  if (used.every((byte) => byte < 0x80)) return String.fromCharCode(...used);
  try {
    return decodeURIComponent(used.map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''));
  } catch {
    return String.fromCharCode(...used);
  }
}

/** UTF-8 of a text, without a NUL behind it. */
export function bytesFromText(text: string): number[] {
  const bytes: number[] = [];
  for (const [, escaped, plain] of encodeURIComponent(text).matchAll(/%(..)|([^%])/g)) {
    bytes.push(escaped === undefined ? (plain ?? '').charCodeAt(0) : Number.parseInt(escaped, 16));
  }
  return bytes;
}

/** A link-layer address as `ip link` prints it: `02:00:00:00:00:01`. */
export function hardwareText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}
