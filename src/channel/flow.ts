import { addressFromBytes } from '../net/address.ts';
import type { Address, Family } from '../net/address.ts';
import { Reader, Writer } from './bytes.ts';

/** A flow of datagrams (UDP), as its client sends them. */
export interface Flow {
  readonly client: Address;
  readonly clientPort: number;
  readonly ghost: Address;
  /** Of the service. */
  readonly port: number;
}

/**
 * The same as a text that is equal for equal flows: a character for each byte of the client's address and port, the ghost and the
 * service's port, in network byte order.
 */
export type FlowKey = string;

const ADDRESS_LENGTH = { 4: 4, 6: 16 } as const;
const PORT_LENGTH = 2;

export function flowKey({ client, clientPort, ghost, port }: Flow): FlowKey {
  return textOf([...client.bytes, clientPort >> 8, clientPort & 0xff, ...ghost.bytes, port >> 8, port & 0xff]);
}

/** Reverses `flowKey`. */
export function flowOf(key: FlowKey): Flow {
  const bytes = bytesOf(key);
  const half = bytes.length / 2;
  const portAt = (at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  return {
    client: addressFromBytes(bytes.subarray(0, half - PORT_LENGTH)),
    clientPort: portAt(half - PORT_LENGTH),
    ghost: addressFromBytes(bytes.subarray(half, 2 * half - PORT_LENGTH)),
    port: portAt(2 * half - PORT_LENGTH),
  };
}

/**
 * Flows as a message has them, by what their clients speak to: number of those (2 bytes), and of each the ghost's address and the
 * port, the number of flows (2), and their clients' addresses and ports. So a flow takes 6 bytes, and 18 of IPv6.
 */
export function packFlows(flows: Iterable<FlowKey>): Uint8Array {
  const groups = new Map<string, string[]>();
  for (const key of flows) {
    const half = key.length / 2;
    const end = key.slice(half);
    const clients = groups.get(end);
    if (clients) clients.push(key.slice(0, half));
    else groups.set(end, [key.slice(0, half)]);
  }
  const writer = new Writer().u16(groups.size);
  for (const [end, clients] of groups) {
    writer.bytes(bytesOf(end)).u16(clients.length);
    for (const client of clients) writer.bytes(bytesOf(client));
  }
  return writer.finish();
}

/** Reverses `packFlows`; throws `RangeError` where the bytes cannot be. */
export function unpackFlows(packed: Uint8Array, family: Family): FlowKey[] {
  const reader = new Reader(packed);
  const length = ADDRESS_LENGTH[family] + PORT_LENGTH;
  const flows: FlowKey[] = [];
  for (let groups = reader.u16(); groups > 0; groups--) {
    const end = textOf(reader.bytes(length));
    for (let count = reader.u16(); count > 0; count--) flows.push(textOf(reader.bytes(length)) + end);
  }
  reader.end();
  return flows;
}

function textOf(bytes: Iterable<number>): string {
  return String.fromCharCode(...bytes);
}

function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}
