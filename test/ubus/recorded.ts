import type { Entry, Typed } from '../../src/ubus/blobmsg.ts';
import { decodeEntries, encodeTable } from '../../src/ubus/blobmsg.ts';
import type { Message } from '../../src/ubus/message.ts';
import { decodeMessage, encodeMessage } from '../../src/ubus/message.ts';

/** A blobmsg entry as written down in recordings: int64 as decimal text, doubles as the hex text of their bits. */
export type RecordedEntry = readonly [type: string, name: string, value: RecordedValue];
export type RecordedValue = null | number | string | readonly RecordedEntry[];

/** A message between real programs and a real ubusd, as bytes and as what they mean. */
export interface RecordedMessage {
  readonly scenario: string;
  readonly hex: string;
  readonly type: number;
  readonly seq: number;
  readonly peer: number;
  /** In the order on the wire; DATA and SIGNATURE as their entries. */
  readonly attributes: readonly (readonly [name: string, value: unknown])[];
}

export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, index) => parseInt(hex.slice(index * 2, index * 2 + 2), 16));
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** A message in the form of `RecordedMessage.attributes`. */
export function attributesOf(message: Message): RecordedMessage['attributes'] {
  return Object.entries(message.attributes).map(([name, value]) => [
    name,
    value instanceof Uint8Array ? (decodeEntries(value) ?? []).map(recordedEntry) : (value as unknown),
  ]);
}

/** The bytes that the message and everything in it make after they have been taken apart. */
export function encodedAgain(bytes: Uint8Array): Uint8Array {
  const message = decodeMessage(bytes);
  const attributes = Object.fromEntries(
    Object.entries(message.attributes).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? encodeTable(decodeEntries(value) ?? []) : (value as unknown),
    ]),
  );
  return encodeMessage({ ...message, attributes });
}

function recordedEntry([name, { type, value }]: Entry): RecordedEntry {
  return [type, name, recordedValue(type, value)];
}

function recordedValue(type: string, value: Typed['value']): RecordedValue {
  switch (type) {
    case 'array':
      return (value as readonly Typed[]).map((item) => recordedEntry(['', item]));
    case 'table':
      return (value as readonly Entry[]).map(recordedEntry);
    case 'int64':
      return String(value);
    case 'double': {
      const view = new DataView(new ArrayBuffer(8));
      view.setFloat64(0, value as number);
      return toHex(new Uint8Array(view.buffer));
    }
    default:
      return value as RecordedValue;
  }
}
