import { decodeMessages } from '../../../src/netlink/message.ts';
import type { NetlinkMessage } from '../../../src/netlink/message.ts';

export function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The first message of a recorded datagram of a little-endian machine. */
export function firstMessage(hex: string): NetlinkMessage {
  const [message] = decodeMessages(bytesOf(hex), true);
  if (!message) throw new Error('the recording holds no message');
  return message;
}

/** A message around a payload that was encoded. */
export function messageOf(payload: Uint8Array): NetlinkMessage {
  return { type: 0, flags: 0, sequence: 0, port: 0, payload };
}
