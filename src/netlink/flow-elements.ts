import type { Family } from '../net/address.ts';
import type { Tuple } from './conntrack.ts';
import { NLM_F_CREATE, viewOf } from './message.ts';
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

// Elements of maps from flows to marks, which packets have put there. There may be a hundred thousand: they are read where they
// lie, without an object for each attribute.

export const NFT_MSG_GETSETELEM = 13;
const NFTA_SET_ELEM_TIMEOUT = 4;
const NFTA_SET_ELEM_EXPIRATION = 5;
/** Low bits of an attribute's type. */
const ATTRIBUTE_TYPE = 0x3fff;

/** Called with the key of a flow as the kernel has it, the mark, and the milliseconds that it has left. */
export type TakeFlow = (key: Uint8Array, mark: number, left: number) => void;

/** Payload of NFT_MSG_GETSETELEM: as a dump, all flows of a map; with a key, that flow. */
export function encodeFlowQuestion(place: Place, key: Uint8Array | undefined, littleEndian: boolean): Uint8Array {
  const question = head(place, littleEndian);
  if (key) listed(question, [key], 0);
  return question.finish();
}

/** Reads a piece of the answer. */
export function readFlows(payload: Uint8Array, littleEndian: boolean, take: TakeFlow): void {
  const view = viewOf(payload);
  eachAttribute(view, littleEndian, NFGENMSG, payload.length, (type, from, to) => {
    if (type !== NFTA_SET_ELEM_LIST_ELEMENTS) return;
    eachAttribute(view, littleEndian, from, to, (_, first, last) => {
      let key: Uint8Array | undefined;
      let mark = 0;
      let left = Infinity;
      eachAttribute(view, littleEndian, first, last, (part, at, end) => {
        // The value of a key and of a mark stands behind one more header.
        if (part === NFTA_SET_ELEM_KEY) key = payload.subarray(at + 4, end);
        else if (part === NFTA_SET_ELEM_DATA && end - at >= 8) mark = view.getUint32(at + 4, littleEndian);
        else if (part === NFTA_SET_ELEM_EXPIRATION && end - at >= 8) left = Number(view.getBigUint64(at));
      });
      if (key) take(key, mark, left);
    });
  });
}

/** The transaction that takes flows out of a map. */
export function encodeFlowDeletion(place: Place, keys: readonly Uint8Array[], littleEndian: boolean): Batch {
  const requests: Request[] = [];
  for (let next = 0; next < keys.length;) {
    const message = head(place, littleEndian);
    next = listed(message, keys, next);
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
  eachAttribute(view, littleEndian, NFGENMSG, kept.length, (type, from, to) => {
    if (type !== NFTA_SET_ELEM_LIST_ELEMENTS) return;
    eachAttribute(view, littleEndian, from, to, (_, first, last) => {
      let timeout: number | undefined;
      let left = 0n;
      eachAttribute(view, littleEndian, first, last, (part, at, end) => {
        if (end - at < 8) return;
        if (part === NFTA_SET_ELEM_TIMEOUT) timeout = at;
        else if (part === NFTA_SET_ELEM_EXPIRATION) left = view.getBigUint64(at);
      });
      if (timeout !== undefined && left > view.getBigUint64(timeout)) view.setBigUint64(timeout, left);
    });
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

/** Writes as many keys as fit, from the `next` one on; tells which comes then. */
function listed(message: ReturnType<typeof head>, keys: readonly Uint8Array[], next: number): number {
  message.nest(NFTA_SET_ELEM_LIST_ELEMENTS, (list) => {
    for (; next < keys.length && list.length < LARGEST_LIST; next++) {
      const key = keys[next] ?? new Uint8Array();
      list.nest(NFTA_LIST_ELEM, (element) =>
        element.nest(NFTA_SET_ELEM_KEY, (value) => value.attribute(NFTA_DATA_VALUE, key)),
      );
    }
  });
  return next;
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
