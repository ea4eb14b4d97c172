import { encodeUtf8 } from '../net/utf8.ts';
import { NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST } from './message.ts';
import { NFGENMSG, NFNL_SUBSYS_NFTABLES, nftablesType } from './nftables.ts';

// Elements of verdict maps by netlink (include/uapi/linux/netfilter/nf_tables.h, nfnetlink.h). libnftables does the same in ten
// times the time, which a server that has died does not have: a batch of NFT_MSG_DELSETELEM and NFT_MSG_NEWSETELEM.

const NFNL_MSG_BATCH_BEGIN = 16;
const NFNL_MSG_BATCH_END = 17;
const NFT_MSG_NEWSETELEM = 12;
const NFT_MSG_DELSETELEM = 14;
const NFTA_SET_ELEM_LIST_TABLE = 1;
const NFTA_SET_ELEM_LIST_SET = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
const NFTA_LIST_ELEM = 1;
const NFTA_SET_ELEM_KEY = 1;
const NFTA_SET_ELEM_DATA = 2;
const NFTA_DATA_VALUE = 1;
const NFTA_DATA_VERDICT = 2;
const NFTA_VERDICT_CODE = 1;
const NFTA_VERDICT_CHAIN = 2;
const NLA_F_NESTED = 0x8000;
/** NFT_GOTO, in network order. */
const GOTO = [0xff, 0xff, 0xff, 0xfc];

const HEADER = 16;
/** An attribute's length has 16 bits; this much of it is filled with elements. */
const LARGEST_LIST = 60_000;

/** NFPROTO_*. */
export const PROTOCOL_FAMILY = { inet: 1, netdev: 5 } as const;

/** Slots of a map that lead elsewhere. */
export interface MovedSlots {
  readonly family: keyof typeof PROTOCOL_FAMILY;
  readonly table: string;
  readonly map: string;
  /** Slots that have an element now, and shall have none, or another. */
  readonly less: readonly number[];
  /** Slot and chain of the elements that shall be. */
  readonly more: readonly (readonly [slot: number, chain: string])[];
}

/** A transaction as it goes over the socket, and how many acknowledgements answer it. */
export interface Batch {
  readonly datagram: Uint8Array;
  readonly acknowledgements: number;
}

/** The transaction that moves slots, of all the maps or of none. */
export function encodeMovedSlots(moves: readonly MovedSlots[], littleEndian: boolean): Batch {
  const frame = Uint8Array.from([0, 0, 0, NFNL_SUBSYS_NFTABLES]);
  const bare = elementTemplate(undefined, littleEndian);
  const elements = moves.flatMap((move) => {
    const templates = new Map<string, Uint8Array>();
    const leadingTo = (chain: string): Uint8Array => {
      const template = templates.get(chain) ?? elementTemplate(chain, littleEndian);
      templates.set(chain, template);
      return template;
    };
    const less = move.less.map((slot): Element => [slot, bare]);
    const more = move.more.map(([slot, chain]): Element => [slot, leadingTo(chain)]);
    return [
      ...messagesOf(NFT_MSG_DELSETELEM, 0, move, less, littleEndian),
      ...messagesOf(NFT_MSG_NEWSETELEM, NLM_F_CREATE, move, more, littleEndian),
    ];
  });
  const messages = [
    message(NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, frame, 0, littleEndian),
    ...elements.map((build, index) => build(index + 1)),
    message(NFNL_MSG_BATCH_END, NLM_F_REQUEST, frame, elements.length + 1, littleEndian),
  ];
  return { datagram: concatenate(messages), acknowledgements: elements.length };
}

/** Elements of one chain differ in their slot alone: each is a copy of one, with its slot put in. */
type Element = readonly [slot: number, template: Uint8Array];
/** Where the slot stands: behind the headers of NFTA_LIST_ELEM, NFTA_SET_ELEM_KEY and NFTA_DATA_VALUE. */
const SLOT_OFFSET = 12;

type Build = (sequence: number) => Uint8Array;

/** As few messages as the elements fit into. */
function messagesOf(
  type: number,
  flags: number,
  { family, table, map }: MovedSlots,
  elements: readonly Element[],
  littleEndian: boolean,
): Build[] {
  const head = [
    Uint8Array.of(PROTOCOL_FAMILY[family], ...new Array<number>(NFGENMSG - 1).fill(0)),
    text(NFTA_SET_ELEM_LIST_TABLE, table, littleEndian),
    text(NFTA_SET_ELEM_LIST_SET, map, littleEndian),
  ];
  const builds: Build[] = [];
  const bytes = new Uint8Array(LARGEST_LIST);
  const view = new DataView(bytes.buffer);
  let size = 0;
  const finish = (): void => {
    const list = attribute(NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED, bytes.subarray(0, size), littleEndian);
    const payload = concatenate([...head, list]);
    const asked = NLM_F_REQUEST | NLM_F_ACK | flags;
    builds.push((sequence) => message(nftablesType(type), asked, payload, sequence, littleEndian));
    size = 0;
  };
  for (const [slot, template] of elements) {
    if (size + template.length > LARGEST_LIST) finish();
    bytes.set(template, size);
    view.setUint32(size + SLOT_OFFSET, slot, littleEndian);
    size += template.length;
  }
  if (size > 0) finish();
  return builds;
}

/** An element without its slot; with `chain`, the verdict to go there. */
function elementTemplate(chain: string | undefined, littleEndian: boolean): Uint8Array {
  if (chain === undefined) return nest(NFTA_LIST_ELEM, [key(0, littleEndian)], littleEndian);
  const code = attribute(NFTA_VERDICT_CODE, GOTO, littleEndian);
  const verdict = nest(NFTA_DATA_VERDICT, [code, text(NFTA_VERDICT_CHAIN, chain, littleEndian)], littleEndian);
  const data = nest(NFTA_SET_ELEM_DATA, [verdict], littleEndian);
  return nest(NFTA_LIST_ELEM, [key(0, littleEndian), data], littleEndian);
}

/** A mark, which the kernel keeps in CPU byte order. */
function key(slot: number, littleEndian: boolean): Uint8Array {
  const value = new Uint8Array(4);
  new DataView(value.buffer).setUint32(0, slot, littleEndian);
  return nest(NFTA_SET_ELEM_KEY, [attribute(NFTA_DATA_VALUE, value, littleEndian)], littleEndian);
}

function text(type: number, value: string, littleEndian: boolean): Uint8Array {
  return attribute(type, [...encodeUtf8(value), 0], littleEndian);
}

function nest(type: number, parts: readonly Uint8Array[], littleEndian: boolean): Uint8Array {
  return attribute(type | NLA_F_NESTED, concatenate(parts), littleEndian);
}

function attribute(type: number, value: ArrayLike<number>, littleEndian: boolean): Uint8Array {
  const bytes = new Uint8Array((4 + value.length + 3) & ~3);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 4 + value.length, littleEndian);
  view.setUint16(2, type, littleEndian);
  bytes.set(value, 4);
  return bytes;
}

function message(
  type: number,
  flags: number,
  payload: Uint8Array,
  sequence: number,
  littleEndian: boolean,
): Uint8Array {
  const bytes = new Uint8Array(HEADER + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, littleEndian);
  view.setUint16(4, type, littleEndian);
  view.setUint16(6, flags, littleEndian);
  view.setUint32(8, sequence, littleEndian);
  bytes.set(payload, HEADER);
  return bytes;
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}
