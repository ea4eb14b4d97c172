import { encodeUtf8 } from '../net/utf8.ts';
import {
  ADD,
  ADD_INDEX,
  AND,
  COPY_TO_INDEX,
  DROP,
  JUMP_EQUAL,
  KEEP,
  LOAD_BYTE,
  LOAD_BYTE_INDEXED,
  LOAD_HALF_INDEXED,
  LOAD_INDEX,
  LOAD_STORED,
  LOAD_WORD_INDEXED,
  SHIFT_LEFT,
  STORE,
  STORE_INDEX,
  jumpsUnless,
} from './bpf.ts';
import type { BpfInstruction, Condition } from './bpf.ts';
import { NLM_F_REPLACE } from './message.ts';
import { RTM_DELROUTE, RTM_NEWROUTE } from './route.ts';

// Classic BPF programs that netlink sockets run on what is multicast to them (`sk_filter` in `do_one_broadcast`): what they
// drop wakes nobody and cannot overflow the socket.

const LOADS_INDEXED = { 4: LOAD_WORD_INDEXED, 2: LOAD_HALF_INDEXED, 1: LOAD_BYTE_INDEXED } as const;
const TYPE_OFFSET = 4;
const FLAGS_OFFSET = 6;
const MESSAGE_HEADER = 16;
/** Prefix length of the destination. */
const RTM_LENGTH_OFFSET = MESSAGE_HEADER + 1;
const RTM_PROTOCOL_OFFSET = MESSAGE_HEADER + 5;
/** The table's name: behind struct nfgenmsg and the header of the first attribute, in every nftables notification. */
const TABLE_NAME_OFFSET = MESSAGE_HEADER + 8;
/**
 * Messages that are looked at in a datagram; one with more is let through. Kernels before 6.7 give a socket 20 KiB for its
 * filter (net.core.optmem_max), in which 96 turns did not fit.
 */
const MESSAGES = 24;

/**
 * Lets every rtnetlink message through but those of routes that another protocol has made: a BGP router's are many. Routes to
 * single addresses that have taken the place of another one (NLM_F_REPLACE) come through whoever has made them: the kernel
 * does not say whose they have replaced.
 */
export function routeProtocolFilter(protocol: number, littleEndian: boolean): BpfInstruction[] {
  return [
    [LOAD_BYTE, 0, 0, TYPE_OFFSET + (littleEndian ? 0 : 1)],
    [JUMP_EQUAL, 1, 0, RTM_NEWROUTE],
    [JUMP_EQUAL, 0, 9, RTM_DELROUTE],
    [LOAD_BYTE, 0, 0, RTM_PROTOCOL_OFFSET],
    [JUMP_EQUAL, 7, 0, protocol],
    [LOAD_BYTE, 0, 0, FLAGS_OFFSET + (littleEndian ? 1 : 0)],
    [AND, 0, 0, NLM_F_REPLACE >> 8],
    [JUMP_EQUAL, 0, 3, NLM_F_REPLACE >> 8],
    [LOAD_BYTE, 0, 0, RTM_LENGTH_OFFSET],
    [JUMP_EQUAL, 2, 0, 32],
    [JUMP_EQUAL, 1, 0, 128],
    DROP,
    KEEP,
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
  return [[LOAD_INDEX, 0, 0, 0], ...turns.flat(), KEEP];
}

/** Accepts where the message at X is about the table. */
function acceptTable(table: string): BpfInstruction[] {
  const name = [...encodeUtf8(table), 0];
  const comparisons: Condition[] = [];
  for (let index = 0; index < name.length;) {
    const size = name.length - index >= 4 ? 4 : name.length - index >= 2 ? 2 : 1;
    const expected = name.slice(index, index + size).reduce((value, byte) => value * 256 + byte, 0);
    comparisons.push([LOADS_INDEXED[size], TABLE_NAME_OFFSET + index, expected]);
    index += size;
  }
  return [...jumpsUnless(comparisons, 1), KEEP];
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
