import { ByteWriter } from '../net/byte-writer.ts';
import { encodeUtf8 } from '../net/utf8.ts';
import { textFromBytes } from './text.ts';

// Netlink (RFC 3549, include/uapi/linux/netlink.h): a datagram holds one or more messages, each a header of 16 bytes in CPU
// byte order, a header of the protocol, and attributes (length, type, value), all padded to 4 bytes. What is asked for with
// NLM_F_DUMP comes as many messages that NLMSG_DONE ends; what is asked for with NLM_F_ACK is answered by NLMSG_ERROR, whose
// error number is 0 where all went well.

export const NLMSG_NOOP = 1;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
/** The dump was disturbed by a change and may lack something. */
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
/** In an answer: only the header of the request is repeated, not all of it. */
const NLM_F_CAPPED = 0x100;
/** In an answer: attributes with an explanation follow. */
const NLM_F_ACK_TLVS = 0x200;

const HEADER = 16;
const NLMSGERR_ATTR_MSG = 1;
/** Low bits of an attribute's type; above are NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
const ATTRIBUTE_TYPE = 0x3fff;
const NLA_F_NESTED = 0x8000;

export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Port of the socket on whose request it was sent, or that it goes to; 0 is the kernel. */
  readonly port: number;
  /** Behind the header, without padding. */
  readonly payload: Uint8Array;
}

/** How the kernel answered a request. */
export interface NetlinkAnswer {
  /** Positive; 0 = done. Numbers above 34 differ between architectures (MIPS). */
  readonly errno: number;
  /** The kernel's own explanation (extended acknowledgement), where it has one; a warning where `errno` is 0. */
  readonly explanation?: string;
}

/** Bytes to begin with: most requests are shorter. */
const ROOM = 128;

/** Collects the payload of a message: the protocol's header first, then attributes. */
export class PayloadWriter extends ByteWriter {
  constructor(littleEndian: boolean) {
    super(littleEndian, ROOM);
  }

  attribute(type: number, value: ArrayLike<number>): this {
    return this.u16(4 + value.length)
      .u16(type)
      .bytes(value)
      .#pad();
  }

  attributeU8(type: number, value: number): this {
    return this.attribute(type, [value]);
  }

  attributeU32(type: number, value: number): this {
    return this.u16(8).u16(type).u32(value);
  }

  /** A text as the kernel keeps names: with a zero byte at its end. */
  attributeText(type: number, value: string): this {
    return this.attribute(type, [...encodeUtf8(value), 0]);
  }

  /** An attribute of the attributes that `write` writes, at most 65535 bytes. */
  nest(type: number, write: (writer: this) => void): this {
    const at = this.length;
    this.u16(0).u16(type | NLA_F_NESTED);
    write(this);
    return this.u16At(at, this.length - at).#pad();
  }

  #pad(): this {
    this.skip(padded(this.length) - this.length);
    return this;
  }
}

/** A message as it goes over the socket. */
export function encodeMessage(message: NetlinkMessage, littleEndian: boolean): Uint8Array {
  return new PayloadWriter(littleEndian)
    .u32(HEADER + message.payload.length)
    .u16(message.type)
    .u16(message.flags)
    .u32(message.sequence)
    .u32(message.port)
    .bytes(message.payload)
    .finish();
}

/** The messages of one datagram; what is cut off at its end is left out. The payloads are views of the datagram. */
export function decodeMessages(datagram: Uint8Array, littleEndian: boolean): NetlinkMessage[] {
  const view = viewOf(datagram);
  const messages: NetlinkMessage[] = [];
  for (let offset = 0; offset + HEADER <= datagram.length;) {
    const length = view.getUint32(offset, littleEndian);
    if (length < HEADER || offset + length > datagram.length) break;
    messages.push({
      type: view.getUint16(offset + 4, littleEndian),
      flags: view.getUint16(offset + 6, littleEndian),
      sequence: view.getUint32(offset + 8, littleEndian),
      port: view.getUint32(offset + 12, littleEndian),
      payload: datagram.subarray(offset + HEADER, offset + length),
    });
    offset += padded(length);
  }
  return messages;
}

/** Reads NLMSG_ERROR, or NLMSG_DONE, which carries an error number too where a dump failed half-way. */
export function decodeAnswer(message: NetlinkMessage, littleEndian: boolean): NetlinkAnswer {
  const { payload, flags, type } = message;
  const view = viewOf(payload);
  if (payload.length < 4) return { errno: 0 };
  const errno = -view.getInt32(0, littleEndian) || 0;
  if ((flags & NLM_F_ACK_TLVS) === 0) return { errno };
  let offset = 4;
  if (type === NLMSG_ERROR) {
    const repeated = payload.length >= 8 ? view.getUint32(4, littleEndian) : HEADER;
    offset += (flags & NLM_F_CAPPED) !== 0 || errno === 0 ? HEADER : padded(repeated);
  }
  const text = decodeAttributes(payload, offset, littleEndian).text(NLMSGERR_ATTR_MSG);
  return text === undefined ? { errno } : { errno, explanation: text };
}

/** The attributes of a message by type; of several with one type the last. */
export class Attributes {
  readonly #values: ReadonlyMap<number, Uint8Array>;
  readonly #littleEndian: boolean;

  constructor(values: ReadonlyMap<number, Uint8Array>, littleEndian: boolean) {
    this.#values = values;
    this.#littleEndian = littleEndian;
  }

  types(): number[] {
    return [...this.#values.keys()];
  }

  has(type: number): boolean {
    return this.#values.has(type);
  }

  bytes(type: number): Uint8Array | undefined {
    return this.#values.get(type);
  }

  u8(type: number): number | undefined {
    return this.#values.get(type)?.[0];
  }

  u16(type: number): number | undefined {
    const bytes = this.#values.get(type);
    return bytes && bytes.length >= 2 ? viewOf(bytes).getUint16(0, this.#littleEndian) : undefined;
  }

  u32(type: number): number | undefined {
    return this.#word(type, this.#littleEndian);
  }

  /** A number in network order, as nftables has them. */
  be32(type: number): number | undefined {
    return this.#word(type, false);
  }

  text(type: number): string | undefined {
    const bytes = this.#values.get(type);
    return bytes && textFromBytes(bytes);
  }

  nested(type: number): Attributes | undefined {
    const bytes = this.#values.get(type);
    return bytes && decodeAttributes(bytes, 0, this.#littleEndian);
  }

  #word(type: number, littleEndian: boolean): number | undefined {
    const bytes = this.#values.get(type);
    return bytes && bytes.length >= 4 ? viewOf(bytes).getUint32(0, littleEndian) : undefined;
  }
}

/** Reads the attributes that begin at `offset`; what is cut off is left out. */
export function decodeAttributes(bytes: Uint8Array, offset: number, littleEndian: boolean): Attributes {
  const view = viewOf(bytes);
  const values = new Map<number, Uint8Array>();
  while (offset + 4 <= bytes.length) {
    const length = view.getUint16(offset, littleEndian);
    if (length < 4 || offset + length > bytes.length) break;
    const type = view.getUint16(offset + 2, littleEndian) & ATTRIBUTE_TYPE;
    values.set(type, bytes.subarray(offset + 4, offset + length));
    offset += padded(length);
  }
  return new Attributes(values, littleEndian);
}

/** Numbers of a header at fixed places. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function padded(length: number): number {
  return (length + 3) & ~3;
}
