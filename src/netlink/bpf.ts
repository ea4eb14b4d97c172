// Classic BPF: words of the programs that keep from our sockets what is none of their business (include/uapi/linux/filter.h).

/** An instruction: code, jump where true, jump where false, operand. */
export type BpfInstruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number];

export const LOAD_BYTE = 0x30; // A = packet[k]
export const LOAD_HALF = 0x28; // A = packet[k, k + 1], in network order
export const LOAD_BYTE_INDEXED = 0x50; // A = packet[X + k]
export const LOAD_HALF_INDEXED = 0x48; // A = packet[X + k, X + k + 1], in network order
export const LOAD_WORD_INDEXED = 0x40; // A = packet[X + k … X + k + 3], in network order
export const LOAD_HEADER_LENGTH = 0xb1; // X = 4 * (packet[k] & 0xf), the length of an IPv4 header
export const LOAD_INDEX = 0x01; // X = k
export const COPY_TO_INDEX = 0x07; // X = A
export const LOAD_STORED = 0x61; // X = M[k]
export const STORE = 0x02; // M[k] = A
export const STORE_INDEX = 0x03; // M[k] = X
export const ADD_INDEX = 0x0c; // A += X
export const ADD = 0x04; // A += k
export const AND = 0x54; // A &= k
export const SHIFT_LEFT = 0x64; // A <<= k
export const JUMP_EQUAL = 0x15; // A == k
/** Offsets from here count from the network header, wherever the packet itself begins for the socket (SKF_NET_OFF). */
export const NETWORK_HEADER = 0xfff00000;

/** Keeps the whole packet. */
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
