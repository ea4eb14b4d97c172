import type { Family } from '../net/address.ts';
import type { Tuple } from './conntrack.ts';
import { NLM_F_CREATE, PayloadWriter, viewOf } from './message.ts';
import { NFGENMSG } from './nftables.ts';
import {
  LARGEST_LIST,
  NFTA_LIST_ELEM,
  NFTA_DATA_VALUE,
  NFTA_SET_ELEM_DATA,
  NFTA_SET_ELEM_KEY,
  NFTA_SET_ELEM_LIST_ELEMENTS,
  NFT_MSG_DELSETELEM,
  NFT_MSG_NEWSETELEM,
  encodeBatch,
  head,
} from './slot-elements.ts';
import type { Batch, Place, Request } from './slot-elements.ts';
import type { TallyPlan } from './tally.ts';

// Elements of maps from flows to marks, which packets have put there. There may be a hundred thousand: they are read where they
// lie, without an object for each attribute.

export const NFT_MSG_GETSETELEM = 13;
const NFTA_SET_ELEM_TIMEOUT = 4;
const NFTA_SET_ELEM_EXPIRATION = 5;
/** Where the key stands in an element of nothing else: behind the headers of NFTA_LIST_ELEM, NFTA_SET_ELEM_KEY and NFTA_DATA_VALUE. */
const KEY_OFFSET = 12;
/** Low bits of an attribute's type. */
const ATTRIBUTE_TYPE = 0x3fff;

/** Flows by mark, in CPU byte order, protocol, and the milliseconds that they have left, in network order. */
export const LIVE_FLOWS: TallyPlan = {
  header: NFGENMSG,
  list: [NFTA_SET_ELEM_LIST_ELEMENTS],
  limit: { path: [], most: 0 },
  key: [
    { path: [NFTA_SET_ELEM_DATA, NFTA_DATA_VALUE], length: 4 },
    { path: [NFTA_SET_ELEM_KEY, NFTA_DATA_VALUE], length: 1 },
    { path: [NFTA_SET_ELEM_EXPIRATION], length: 8 },
  ],
};

/** Called with the mark of a flow, the milliseconds that it has left, and where in the message its key is. */
export type TakeFlow = (mark: number, left: number, keyFrom: number, keyTo: number) => void;

/** Where the parts of an element are, behind its beginning; the values of `first` and `left` are 64 bits. */
interface Layout {
  readonly length: number;
  keyFrom: number;
  keyTo: number;
  mark: number;
  /** Time that it has had first, and time that it has left; 0: it has none. */
  first: number;
  left: number;
}

/** Payload of NFT_MSG_GETSETELEM: as a dump, all flows of a map; with a key, that flow. */
export function encodeFlowQuestion(place: Place, key: Uint8Array | undefined, littleEndian: boolean): Uint8Array {
  const question = head(place, littleEndian);
  if (key) listed(question, [key], 0, littleEndian);
  return question.finish();
}

/** Reads a piece of the answer. */
export function readFlows(payload: Uint8Array, littleEndian: boolean, take: TakeFlow): void {
  const view = viewOf(payload);
  eachElement(view, littleEndian, ({ keyFrom, keyTo, mark, left }, at) =>
    take(
      view.getUint32(at + mark, littleEndian),
      left > 0 ? timeAt(view, at + left) : Infinity,
      at + keyFrom,
      at + keyTo,
    ),
  );
}

/** Times are in network order, and less than a million years. */
function timeAt(view: DataView, at: number): number {
  return view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
}

/** The transaction that takes flows out of a map. */
export function encodeFlowDeletion(place: Place, keys: readonly Uint8Array[], littleEndian: boolean): Batch {
  const requests: Request[] = [];
  for (let next = 0; next < keys.length;) {
    const message = head(place, littleEndian);
    next = listed(message, keys, next, littleEndian);
    requests.push([NFT_MSG_DELSETELEM, 0, message.finish()]);
  }
  return encodeBatch(requests, littleEndian);
}

/**
 * A piece of a dump, to be kept until the map is there anew. Before Linux 6.12 a flow may have more time left than it is said to
 * have had first, which the kernel would not take back.
 */
export function keepFlows(payload: Uint8Array, littleEndian: boolean): Uint8Array {
  const kept = payload.slice();
  const view = viewOf(kept);
  eachElement(view, littleEndian, ({ first, left }, at) => {
    if (first > 0 && left > 0 && timeAt(view, at + left) > timeAt(view, at + first))
      kept.copyWithin(at + first, at + left, at + left + 8);
  });
  return kept;
}

/** The transaction that puts such pieces back. */
export function encodeFlowReturn(kept: readonly Uint8Array[], littleEndian: boolean): Batch {
  return encodeBatch(
    kept.map((payload): Request => [NFT_MSG_NEWSETELEM, NLM_F_CREATE, payload]),
    littleEndian,
  );
}

/** Key of the flow that begins with such a packet: parts at multiples of four octets, as `flowKey` has them. */
export function flowElementKey(family: Family, packet: Required<Tuple>): Uint8Array {
  const length = family === 4 ? 4 : 16;
  const key = new Uint8Array(12 + 2 * length);
  const view = viewOf(key);
  key[0] = packet.protocol;
  key.set(packet.source.bytes, 4);
  view.setUint16(4 + length, packet.sourcePort);
  key.set(packet.destination.bytes, 8 + length);
  view.setUint16(8 + 2 * length, packet.destinationPort);
  return key;
}

/** Writes as many keys, which are of one length, as fit, from the `next` one on; tells which comes then. */
function listed(message: PayloadWriter, keys: readonly Uint8Array[], next: number, littleEndian: boolean): number {
  const [shape = new Uint8Array()] = keys;
  const template = new PayloadWriter(littleEndian)
    .nest(NFTA_LIST_ELEM, (element) =>
      element.nest(NFTA_SET_ELEM_KEY, (value) => value.attribute(NFTA_DATA_VALUE, shape)),
    )
    .finish();
  message.nest(NFTA_SET_ELEM_LIST_ELEMENTS, (list) => {
    for (; next < keys.length && list.length < LARGEST_LIST; next++) {
      template.set(keys[next] ?? shape, KEY_OFFSET);
      list.bytes(template);
    }
  });
  return next;
}

/**
 * Calls `take` with each element. They are of one shape as long as they are of one length and their last part is of the same
 * kind, so that only the first of many is read part by part.
 */
function eachElement(view: DataView, littleEndian: boolean, take: (layout: Layout, at: number) => void): void {
  eachAttribute(view, littleEndian, NFGENMSG, view.byteLength, (type, from, to) => {
    if (type !== NFTA_SET_ELEM_LIST_ELEMENTS) return;
    let layout: Layout | undefined;
    for (let at = from; at + 4 <= to;) {
      const length = view.getUint16(at, littleEndian);
      if (length < 4 || at + length > to) return;
      const isSame =
        layout?.length === length &&
        layout.left > 0 &&
        kindOf(view, at + layout.left, littleEndian) === NFTA_SET_ELEM_EXPIRATION;
      if (!layout || !isSame) layout = layoutOf(view, littleEndian, at, length);
      if (layout.keyTo > 0) take(layout, at);
      at += (length + 3) & ~3;
    }
  });
}

/** Type of the attribute whose value is there. */
function kindOf(view: DataView, value: number, littleEndian: boolean): number {
  return view.getUint16(value - 2, littleEndian) & ATTRIBUTE_TYPE;
}

function layoutOf(view: DataView, littleEndian: boolean, element: number, length: number): Layout {
  const layout: Layout = { length, keyFrom: 0, keyTo: 0, mark: 0, first: 0, left: 0 };
  eachAttribute(view, littleEndian, element + 4, element + length, (part, from, to) => {
    const at = from - element;
    // The value of a key and of a mark stands behind one more header.
    if (part === NFTA_SET_ELEM_KEY) [layout.keyFrom, layout.keyTo] = [at + 4, to - element];
    else if (to - from < 8) return;
    else if (part === NFTA_SET_ELEM_DATA) layout.mark = at + 4;
    else if (part === NFTA_SET_ELEM_TIMEOUT) layout.first = at;
    else if (part === NFTA_SET_ELEM_EXPIRATION) layout.left = at;
  });
  return layout;
}

function eachAttribute(
  view: DataView,
  littleEndian: boolean,
  from: number,
  to: number,
  take: (type: number, from: number, to: number) => void,
): void {
  while (from + 4 <= to) {
    const length = view.getUint16(from, littleEndian);
    if (length < 4 || from + length > to) return;
    take(view.getUint16(from + 2, littleEndian) & ATTRIBUTE_TYPE, from + 4, from + length);
    from += (length + 3) & ~3;
  }
}
