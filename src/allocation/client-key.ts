import type { HashKey } from '../config/model.ts';
import type { Address } from '../net/address.ts';
import { jhash } from './jhash.ts';

/** What of a packet can matter to the hash. */
export interface ClientPacket {
  readonly client: Address;
  /** IP protocol number. */
  readonly protocol: number;
  /** Client's and service's port, for protocols that have ports. */
  readonly ports?: { readonly client: number; readonly service: number };
}

export interface HashOptions {
  readonly hash: HashKey;
  /** 32–128 in steps of 8. */
  readonly hashPrefix6: number;
}

/** Bytes of a register of nftables: each field of a concatenation starts on one and is padded with zeros. */
const REGISTER = 4;

/** The bytes that nftables hashes of a packet (see `forwardHashKey` for the expression). */
export function clientKey({ client, protocol, ports }: ClientPacket, { hash, hashPrefix6 }: HashOptions): Uint8Array {
  const address = client.family === 4 ? client.bytes : client.bytes.subarray(0, hashPrefix6 / 8);
  if (hash === 'source') return address;
  if (!ports) return concatenate(address, Uint8Array.of(protocol));
  return concatenate(address, networkOrder(ports.client), networkOrder(ports.service));
}

/** `reciprocal_scale` of the kernel: the hash's share of 2³², times the slots. */
export function slotOfHash(hash: number, slots: number): number {
  return Math.floor((hash * slots) / 0x1_0000_0000);
}

/** The slot of a packet on a router of the given byte order. */
export function slotOf(
  packet: ClientPacket,
  service: HashOptions & { readonly slots: number; readonly seed: number },
  littleEndian: boolean,
): number {
  return slotOfHash(jhash(clientKey(packet, service), service.seed, littleEndian), service.slots);
}

function concatenate(...fields: Uint8Array[]): Uint8Array {
  const padded = (field: Uint8Array) => Math.ceil(field.length / REGISTER) * REGISTER;
  const key = new Uint8Array(fields.reduce((sum, field) => sum + padded(field), 0));
  let at = 0;
  for (const field of fields) {
    key.set(field, at);
    at += padded(field);
  }
  return key;
}

function networkOrder(port: number): Uint8Array {
  return Uint8Array.of(port >> 8, port & 0xff);
}
