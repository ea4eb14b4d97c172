/**
 * Messages of the ubus protocol (ubusmsg.h): an 8-byte header (version 0, type, `seq`, `peer`; big endian), then one blob
 * that holds the attributes.
 */
import { BlobWriter, eachAttribute, padded, viewOf } from './blob.ts';
import { untilNul, withNul } from './blobmsg.ts';

export const MessageType = {
  hello: 0,
  status: 1,
  data: 2,
  ping: 3,
  lookup: 4,
  invoke: 5,
  addObject: 6,
  removeObject: 7,
  subscribe: 8,
  unsubscribe: 9,
  notify: 10,
  monitor: 11,
} as const;

/** Attributes of a message; all are optional. On sending, the order of the members is the order on the wire. */
export interface MessageAttributes {
  readonly status?: number;
  readonly objectPath?: string;
  readonly objectId?: number;
  readonly method?: string;
  readonly objectType?: number;
  /** blobmsg entries: a table for each method, in it an int32 (a blobmsg type) for each argument. */
  readonly signature?: Uint8Array;
  /** blobmsg entries. */
  readonly data?: Uint8Array;
  readonly target?: number;
  readonly active?: boolean;
  readonly noReply?: boolean;
  readonly subscribers?: readonly number[];
  readonly user?: string;
  readonly group?: string;
}

export interface Message {
  /** `MessageType`, or a number that is none. */
  readonly type: number;
  /** 16 bits; chosen by who asks. */
  readonly seq: number;
  /** Object or client id, by the kind of message. */
  readonly peer: number;
  readonly attributes: MessageAttributes;
}

/** Bytes of the message header and of the blob's own header. */
export const HEADER_LENGTH = 12;
/** Bytes that the blob, its header and padding included, may have; ubusd hangs up on more (UBUS_MAX_MSGLEN). */
export const MAX_BLOB_LENGTH = 1048576;
const MESSAGE_HEADER_LENGTH = HEADER_LENGTH - 4;

type AttributeKind = 'uint32' | 'string' | 'flag' | 'bytes' | 'ids';
type AttributeName = keyof MessageAttributes;
/** By attribute id, from 1 on. */
const ATTRIBUTES: readonly (readonly [AttributeName, AttributeKind])[] = [
  ['status', 'uint32'],
  ['objectPath', 'string'],
  ['objectId', 'uint32'],
  ['method', 'string'],
  ['objectType', 'uint32'],
  ['signature', 'bytes'],
  ['data', 'bytes'],
  ['target', 'uint32'],
  ['active', 'flag'],
  ['noReply', 'flag'],
  ['subscribers', 'ids'],
  ['user', 'string'],
  ['group', 'string'],
];

/** The bytes of a message. Throws `RangeError` where it would be too long for ubusd, or a text holds NUL. */
export function encodeMessage(message: Message): Uint8Array {
  const writer = new BlobWriter();
  writer.uint8(0);
  writer.uint8(message.type);
  writer.uint16(message.seq);
  writer.uint32(message.peer);
  const blob = writer.open(0);
  for (const [name, value] of Object.entries(message.attributes)) {
    const index = ATTRIBUTES.findIndex(([attribute]) => attribute === name);
    const kind = ATTRIBUTES[index]?.[1];
    if (kind === undefined || value === undefined) continue;
    const start = writer.open(index + 1);
    writeAttribute(writer, kind, value);
    writer.close(start);
  }
  writer.close(blob);
  const bytes = writer.bytes();
  const length = bytes.length - MESSAGE_HEADER_LENGTH;
  if (length > MAX_BLOB_LENGTH)
    throw new RangeError(`a message of ${length} bytes; at most ${MAX_BLOB_LENGTH} go over the bus`);
  return bytes;
}

function writeAttribute(writer: BlobWriter, kind: AttributeKind, value: unknown): void {
  switch (kind) {
    case 'uint32':
      return writer.uint32(value as number);
    case 'string':
      return writer.raw(withNul(value as string));
    case 'flag':
      return writer.uint8(value === true ? 1 : 0);
    case 'bytes':
      return writer.raw(value as Uint8Array);
    case 'ids':
      for (const id of value as readonly number[]) {
        const start = writer.open(0);
        writer.uint32(id);
        writer.close(start);
      }
  }
}

/** What the first 12 bytes of a message tell. */
export interface MessageHeader {
  readonly version: number;
  /** Length of the whole message, headers included. */
  readonly length: number;
  /** Length that the blob takes with its padding. */
  readonly blobLength: number;
}

export function readHeader(bytes: Uint8Array): MessageHeader {
  const view = viewOf(bytes);
  const blobLength = view.getUint32(MESSAGE_HEADER_LENGTH) & 0xffffff;
  return { version: view.getUint8(0), length: MESSAGE_HEADER_LENGTH + blobLength, blobLength: padded(blobLength) };
}

/**
 * Reads one whole message (at least `HEADER_LENGTH` bytes). Judges attributes as ubusd does: one that is unknown or has
 * the wrong form counts as absent, of a repeated one the last counts, and whatever follows one that does not fit is lost.
 */
export function decodeMessage(bytes: Uint8Array): Message {
  const view = viewOf(bytes);
  const attributes: Partial<Record<AttributeName, unknown>> = {};
  eachAttribute(bytes.subarray(HEADER_LENGTH), (id, _, data) => {
    const [name, kind] = ATTRIBUTES[id - 1] ?? [];
    const value = kind && readAttribute(kind, data);
    if (name && value !== undefined) attributes[name] = value;
    return true;
  });
  return {
    type: view.getUint8(1),
    seq: view.getUint16(2),
    peer: view.getUint32(4),
    attributes: attributes as MessageAttributes,
  };
}

function readAttribute(kind: AttributeKind, data: Uint8Array): unknown {
  switch (kind) {
    case 'uint32':
      return data.length === 4 ? viewOf(data).getUint32(0) : undefined;
    case 'string':
      return data[data.length - 1] === 0 ? untilNul(data) : undefined;
    case 'flag':
      return data.length === 1 ? data[0] !== 0 : undefined;
    case 'bytes':
      return data;
    case 'ids':
      return readIds(data);
  }
}

function readIds(data: Uint8Array): number[] {
  const ids: number[] = [];
  eachAttribute(data, (_id, _extended, payload) => {
    if (payload.length === 4) ids.push(viewOf(payload).getUint32(0));
    return true;
  });
  return ids;
}
