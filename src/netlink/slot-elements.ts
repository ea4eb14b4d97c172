import { encodeUtf8 } from '../net/utf8.ts';
import { NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST, PayloadWriter, encodeMessage } from './message.ts';
import { NFGENMSG, NFNL_SUBSYS_NFTABLES, nftablesType } from './nftables.ts';

// Elements of verdict maps, and of small sets, by netlink (include/uapi/linux/netfilter/nf_tables.h, nfnetlink.h). libnftables does the same in ten
// times the time, which a server that has died does not have: a batch of NFT_MSG_DELSETELEM and NFT_MSG_NEWSETELEM.

const NFNL_MSG_BATCH_BEGIN = 16;
const NFNL_MSG_BATCH_END = 17;
export const NFT_MSG_NEWSETELEM = 12;
export const NFT_MSG_DELSETELEM = 14;
const NFTA_SET_ELEM_LIST_TABLE = 1;
const NFTA_SET_ELEM_LIST_SET = 2;
export const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
export const NFTA_LIST_ELEM = 1;
export const NFTA_SET_ELEM_KEY = 1;
export const NFTA_SET_ELEM_DATA = 2;
const NFTA_SET_ELEM_TIMEOUT = 4;
export const NFTA_DATA_VALUE = 1;
const NFTA_DATA_VERDICT = 2;
const NFTA_VERDICT_CODE = 1;
const NFTA_VERDICT_CHAIN = 2;
/** NFT_JUMP and NFT_GOTO, in network order. */
const VERDICT = { jump: [0xff, 0xff, 0xff, 0xfd], goto: [0xff, 0xff, 0xff, 0xfc] } as const;

/** An attribute's length has 16 bits; this much of it is filled with elements. */
export const LARGEST_LIST = 60_000;
/** Where an element's slot stands: behind the headers of NFTA_LIST_ELEM, NFTA_SET_ELEM_KEY and NFTA_DATA_VALUE. */
const SLOT_OFFSET = 12;
/** And the name of its chain: behind that attribute, and the headers of NFTA_SET_ELEM_DATA, NFTA_DATA_VERDICT and NFTA_VERDICT_CHAIN. */
const CHAIN_OFFSET = 36;

/** NFPROTO_*. */
export const PROTOCOL_FAMILY = { inet: 1, ip: 2, netdev: 5, ip6: 10 } as const;

/** A set or map of a table. */
export interface Place {
  readonly family: keyof typeof PROTOCOL_FAMILY;
  readonly table: string;
  readonly set: string;
}

/** Slots of a map that lead elsewhere. */
export interface MovedSlots extends Place {
  readonly verdict: keyof typeof VERDICT;
  /** Slots that have an element now, and shall have none, or another. */
  readonly less: readonly number[];
  /** Slot and chain of the elements that shall be. */
  readonly more: readonly (readonly [slot: number, chain: string])[];
}

/** What changes when nothing but slots moves: all of it at once, or nothing. */
export interface SlotChange {
  readonly moves: readonly MovedSlots[];
  /** Sets that lose all their elements. */
  readonly emptied: readonly Place[];
}

/** A transaction as it goes over the socket, and how many acknowledgements answer it. */
export interface Batch {
  readonly datagram: Uint8Array;
  readonly acknowledgements: number;
}

/** The transaction of a change. */
export function encodeSlotChange({ moves, emptied }: SlotChange, littleEndian: boolean): Batch {
  const templates = new Templates(littleEndian);
  const requests = [
    ...emptied.map((place) => emptying(place, littleEndian)),
    ...moves.flatMap((move) => {
      const less = move.less.map((slot): Element => [slot, undefined]);
      return [
        ...requestsOf(NFT_MSG_DELSETELEM, 0, move, less, templates),
        ...requestsOf(NFT_MSG_NEWSETELEM, NLM_F_CREATE, move, move.more, templates),
      ];
    }),
  ];
  return encodeBatch(requests, littleEndian);
}

/**
 * Has a set of small numbers (a byte each) hold just these, all of them for so many milliseconds from now; 0: none. They are put
 * in anew, since before Linux 6.12 an element's time-out is what it was first.
 */
export function encodeTimedBytes(place: Place, bytes: readonly number[], time: number, littleEndian: boolean): Batch {
  const requests = [emptying(place, littleEndian)];
  if (time > 0) {
    const timeout = new Uint8Array(8);
    new DataView(timeout.buffer).setBigUint64(0, BigInt(time));
    const message = head(place, littleEndian).nest(NFTA_SET_ELEM_LIST_ELEMENTS, (list) => {
      for (const byte of bytes) {
        list.nest(NFTA_LIST_ELEM, (element) =>
          element
            .nest(NFTA_SET_ELEM_KEY, (key) => key.attribute(NFTA_DATA_VALUE, [byte]))
            .attribute(NFTA_SET_ELEM_TIMEOUT, timeout),
        );
      }
    });
    requests.push([NFT_MSG_NEWSETELEM, NLM_F_CREATE, message.finish()]);
  }
  return encodeBatch(requests, littleEndian);
}

/** Requests as one transaction. */
export function encodeBatch(requests: readonly Request[], littleEndian: boolean): Batch {
  const frame = Uint8Array.from([0, 0, 0, NFNL_SUBSYS_NFTABLES]);
  const batch = new PayloadWriter(littleEndian);
  const write = (sequence: number, type: number, flags: number, payload: Uint8Array) =>
    batch.bytes(encodeMessage({ type, flags: NLM_F_REQUEST | flags, sequence, port: 0, payload }, littleEndian));
  write(0, NFNL_MSG_BATCH_BEGIN, 0, frame);
  for (const [index, [type, flags, payload]] of requests.entries())
    write(index + 1, nftablesType(type), NLM_F_ACK | flags, payload);
  write(requests.length + 1, NFNL_MSG_BATCH_END, 0, frame);
  return { datagram: batch.finish(), acknowledgements: requests.length };
}

export type Request = readonly [type: number, flags: number, payload: Uint8Array];
type Element = readonly [slot: number, chain: string | undefined];

/** Without elements it means all of them. */
function emptying(place: Place, littleEndian: boolean): Request {
  return [NFT_MSG_DELSETELEM, 0, head(place, littleEndian).finish()];
}

/** As few messages as the elements fit into. Elements of one chain differ in their slot alone: each is a copy of one. */
function requestsOf(
  type: number,
  flags: number,
  move: MovedSlots,
  elements: readonly Element[],
  templates: Templates,
): Request[] {
  const { littleEndian } = templates;
  const requests: Request[] = [];
  for (let next = 0; next < elements.length;) {
    const message = head(move, littleEndian).nest(NFTA_SET_ELEM_LIST_ELEMENTS, (list) => {
      for (; next < elements.length && list.length < LARGEST_LIST; next++) {
        const [slot, chain] = elements[next] ?? [0, undefined];
        const { bytes, view } = templates.of(chain, move.verdict);
        view.setUint32(SLOT_OFFSET, slot, littleEndian);
        list.bytes(bytes);
      }
    });
    requests.push([type, flags, message.finish()]);
  }
  return requests;
}

/** What requests about a set's elements begin with. */
export function head({ family, table, set }: Place, littleEndian: boolean): PayloadWriter {
  return new PayloadWriter(littleEndian)
    .u8(PROTOCOL_FAMILY[family])
    .bytes(new Uint8Array(NFGENMSG - 1))
    .attributeText(NFTA_SET_ELEM_LIST_TABLE, table)
    .attributeText(NFTA_SET_ELEM_LIST_SET, set);
}

/** An element of a map, whose slot can be written over. */
interface Template {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/**
 * Elements of a batch. A server that dies leaves a slot to every other one, say, in many maps: an element for each of their chains
 * is made once, of one for a name of the same length.
 */
class Templates {
  readonly littleEndian: boolean;
  readonly #known = { jump: new Map<string, Template>(), goto: new Map<string, Template>() };
  readonly #ofLength = { jump: new Map<number, Uint8Array>(), goto: new Map<number, Uint8Array>() };
  readonly #plain: Template;

  constructor(littleEndian: boolean) {
    this.littleEndian = littleEndian;
    this.#plain = templateOf(element(undefined, 'goto', littleEndian));
  }

  /** The element that leads to a chain, or that is to be deleted. */
  of(chain: string | undefined, verdict: MovedSlots['verdict']): Template {
    if (chain === undefined) return this.#plain;
    let template = this.#known[verdict].get(chain);
    if (!template) this.#known[verdict].set(chain, (template = this.#make(chain, verdict)));
    return template;
  }

  #make(chain: string, verdict: MovedSlots['verdict']): Template {
    const name = encodeUtf8(chain);
    const known = this.#ofLength[verdict].get(name.length);
    const bytes = known?.slice() ?? element(chain, verdict, this.littleEndian);
    if (!known) this.#ofLength[verdict].set(name.length, bytes);
    bytes.set(name, CHAIN_OFFSET);
    return templateOf(bytes);
  }
}

function templateOf(bytes: Uint8Array): Template {
  return { bytes, view: new DataView(bytes.buffer) };
}

/** An element of slot 0; with `chain`, the verdict to go there. The key is a mark, which the kernel keeps in CPU byte order. */
function element(chain: string | undefined, verdict: MovedSlots['verdict'], littleEndian: boolean): Uint8Array {
  return new PayloadWriter(littleEndian)
    .nest(NFTA_LIST_ELEM, (element) => {
      element.nest(NFTA_SET_ELEM_KEY, (key) => key.attributeU32(NFTA_DATA_VALUE, 0));
      if (chain === undefined) return;
      element.nest(NFTA_SET_ELEM_DATA, (data) =>
        data.nest(NFTA_DATA_VERDICT, (to) =>
          to.attribute(NFTA_VERDICT_CODE, VERDICT[verdict]).attributeText(NFTA_VERDICT_CHAIN, chain),
        ),
      );
    })
    .finish();
}
