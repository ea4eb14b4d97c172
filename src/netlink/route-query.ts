import type { Address, Family } from '../net/address.ts';
import { addressFamily, addressOf } from './family.ts';
import type { NetlinkMessage } from './message.ts';
import { PayloadWriter, decodeAttributes } from './message.ts';

// Which way would a packet go? (RTM_GETROUTE without NLM_F_DUMP, as `ip route get` asks.)

const RTMSG = 12;
const RTA_DST = 1;
const RTA_SRC = 2;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTN_UNICAST = 1;

/** The kernel's answer. */
export interface RouteAnswer {
  readonly ifindex: number;
  /** Next hop; absent where the destination is on the link. */
  readonly via?: Address;
}

/** Payload of RTM_GETROUTE for a packet to `destination`, from `source` where that is given: an address of this machine. */
export function encodeRouteQuery(
  family: Family,
  destination: Address,
  source: Address | undefined,
  littleEndian: boolean,
): Uint8Array {
  const width = destination.bytes.length * 8;
  const writer = new PayloadWriter(littleEndian)
    .bytes([addressFamily(family), width, source ? width : 0, 0, 0, 0, 0, 0])
    .u32(0)
    .attribute(RTA_DST, destination.bytes);
  return (source ? writer.attribute(RTA_SRC, source.bytes) : writer).finish();
}

/** Reads the RTM_NEWROUTE that answers it; `undefined` where the packet would go nowhere (blackhole, unreachable, own address). */
export function decodeRouteAnswer({ payload }: NetlinkMessage, littleEndian: boolean): RouteAnswer | undefined {
  if (payload.length < RTMSG || payload[7] !== RTN_UNICAST) return undefined;
  const attributes = decodeAttributes(payload, RTMSG, littleEndian);
  const ifindex = attributes.u32(RTA_OIF);
  const via = addressOf(attributes.bytes(RTA_GATEWAY));
  return ifindex === undefined ? undefined : { ifindex, ...(via && { via }) };
}
