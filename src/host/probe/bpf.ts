import type { BpfInstruction } from '../../netlink/filter.ts';

// Words of the classic BPF programs that keep from our sockets what is none of their business (include/uapi/linux/filter.h).

export const LOAD_BYTE = 0x30; // A = packet[k]
export const LOAD_HALF = 0x28; // A = packet[k, k + 1], in network order
export const LOAD_WORD = 0x20; // A = packet[k … k + 3], in network order
export const LOAD_BYTE_INDEXED = 0x50; // A = packet[X + k]
export const LOAD_HALF_INDEXED = 0x48; // A = packet[X + k, X + k + 1]
export const LOAD_HEADER_LENGTH = 0xb1; // X = 4 * (packet[k] & 0xf), the length of an IPv4 header
export const JUMP_EQUAL = 0x15; // A == k
/** Offsets from here count from the network header, wherever the packet itself begins for the socket (SKF_NET_OFF). */
export const NETWORK_HEADER = 0xfff00000;

export const KEEP: BpfInstruction = [0x06, 0, 0, 0xffffffff];
export const DROP: BpfInstruction = [0x06, 0, 0, 0];

/** A load and what it must give for the packet to be kept. */
export type Condition = readonly [load: number, offset: number, expected: number];

/** Keeps the packet where all conditions hold. `prepare` comes before them. */
export function keepWhere(conditions: readonly Condition[], prepare: readonly BpfInstruction[] = []): BpfInstruction[] {
  return [...prepare, ...jumpsUnless(conditions, 1), KEEP, DROP];
}

/** Goes on behind the last one where all conditions hold, else so many instructions further. */
export function jumpsUnless(conditions: readonly Condition[], further: number): BpfInstruction[] {
  return conditions.flatMap(([load, offset, expected], index): BpfInstruction[] => [
    [load, 0, 0, offset],
    [JUMP_EQUAL, 0, 2 * (conditions.length - index - 1) + further, expected],
  ]);
}
