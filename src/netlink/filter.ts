import { encodeUtf8 } from '../net/utf8.ts';
import { RTM_DELROUTE, RTM_NEWROUTE } from './route.ts';

// Classic BPF programs that netlink sockets run on what is multicast to them (`sk_filter` in `do_one_broadcast`): what they
// drop wakes nobody and cannot overflow the socket.

/** An instruction: code, jump where true, jump where false, operand (include/uapi/linux/filter.h). */
export type BpfInstruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number];

const LOAD_BYTE = 0x30; // A = packet[k]
const LOAD_BYTE_INDEXED = 0x50; // A = packet[X + k]
const LOAD_WORD_INDEXED = 0x40; // A = packet[X + k … X + k + 3], in network order
const LOAD_HALF_INDEXED = 0x48; // A = packet[X + k … X + k + 1], in network order
const LOAD_INDEX = 0x01; // X = k
const COPY_TO_INDEX = 0x07; // X = A
const LOAD_STORED = 0x61; // X = M[k]
const STORE = 0x02; // M[k] = A
const STORE_INDEX = 0x03; // M[k] = X
const ADD_INDEX = 0x0c; // A += X
const ADD = 0x04; // A += k
const AND = 0x54; // A &= k
const SHIFT_LEFT = 0x64; // A <<= k
const JUMP_EQUAL = 0x15; // A == k
const RETURN = 0x06; // keep k bytes

const LOADS_INDEXED = { 4: LOAD_WORD_INDEXED, 2: LOAD_HALF_INDEXED, 1: LOAD_BYTE_INDEXED } as const;
const WHOLE = 0xffffffff;
const TYPE_OFFSET = 4;
const MESSAGE_HEADER = 16;
const RTM_PROTOCOL_OFFSET = MESSAGE_HEADER + 5;
/** The table's name: behind struct nfgenmsg and the header of the first attribute, in every nftables notification. */
const TABLE_NAME_OFFSET = MESSAGE_HEADER + 8;
/**
 * Messages that are looked at in a datagram; one with more is let through. Kernels before 6.7 give a socket 20 KiB for its
 * filter (net.core.optmem_max), in which 96 turns did not fit.
 */
const MESSAGES = 24;

/** Lets every rtnetlink message through but those of routes that another protocol has made: a BGP router's are many. */
export function routeProtocolFilter(protocol: number, littleEndian: boolean): BpfInstruction[] {
  return [
    [LOAD_BYTE, 0, 0, TYPE_OFFSET + (littleEndian ? 0 : 1)],
    [JUMP_EQUAL, 1, 0, RTM_NEWROUTE],
    [JUMP_EQUAL, 0, 2, RTM_DELROUTE],
    [LOAD_BYTE, 0, 0, RTM_PROTOCOL_OFFSET],
    [JUMP_EQUAL, 0, 1, protocol],
    [RETURN, 0, 0, WHOLE],
    [RETURN, 0, 0, 0],
  ];
}

/**
 * Lets only those nftables datagrams through in which something of a table with this name, of whatever family, has changed.
 * A reload of a firewall, or of a ban list, tells thousands of others. BPF knows no loops: one turn a message, unrolled;
 * a load beyond the datagram's end drops it.
 */
export function tableFilter(table: string, littleEndian: boolean): BpfInstruction[] {
  const turn = [...acceptTable(table), ...nextMessage(littleEndian)];
  const turns = Array.from({ length: MESSAGES }, () => turn);
  return [[LOAD_INDEX, 0, 0, 0], ...turns.flat(), [RETURN, 0, 0, WHOLE]];
}

/** Accepts where the message at X is about the table. */
function acceptTable(table: string): BpfInstruction[] {
  const name = [...encodeUtf8(table), 0];
  const comparisons: (readonly [load: number, offset: number, expected: number])[] = [];
  for (let index = 0; index < name.length;) {
    const size = name.length - index >= 4 ? 4 : name.length - index >= 2 ? 2 : 1;
    const expected = name.slice(index, index + size).reduce((value, byte) => value * 256 + byte, 0);
    comparisons.push([LOADS_INDEXED[size], TABLE_NAME_OFFSET + index, expected]);
    index += size;
  }
  return [
    ...comparisons.flatMap(([load, offset, expected], index): BpfInstruction[] => [
      [load, 0, 0, offset],
      [JUMP_EQUAL, 0, 2 * (comparisons.length - index) - 1, expected],
    ]),
    [RETURN, 0, 0, WHOLE],
  ];
}

/** X += length of the message at X, rounded up to 4; lengths stay below 65536. */
function nextMessage(littleEndian: boolean): BpfInstruction[] {
  const length: BpfInstruction[] = littleEndian
    ? [
        [LOAD_BYTE_INDEXED, 0, 0, 1],
        [SHIFT_LEFT, 0, 0, 8],
        [STORE, 0, 0, 1],
        [LOAD_BYTE_INDEXED, 0, 0, 0],
        [LOAD_STORED, 0, 0, 1],
        [ADD_INDEX, 0, 0, 0],
      ]
    : [[LOAD_HALF_INDEXED, 0, 0, 2]];
  return [
    [STORE_INDEX, 0, 0, 0],
    ...length,
    [ADD, 0, 0, 3],
    [AND, 0, 0, 0xfffffffc],
    [LOAD_STORED, 0, 0, 0],
    [ADD_INDEX, 0, 0, 0],
    [COPY_TO_INDEX, 0, 0, 0],
  ];
}
