import { littleEndian } from 'oneip:runtime';
import type { Address, Family } from '../../net/address.ts';
import { parseAddress } from '../../net/address.ts';
import { RTM_GETROUTE } from '../../netlink/route.ts';
import { decodeRouteAnswer, encodeRouteQuery } from '../../netlink/route-query.ts';
import type { RouteAnswer } from '../../netlink/route-query.ts';
import type { NetlinkChannel } from '../netlink-channel.ts';
import { NetlinkError } from '../netlink-channel.ts';

/** Somebody who is nowhere near. Nothing is sent there: the kernel is asked which way it would go. */
const FAR_AWAY = { 4: '8.8.8.8', 6: '2001:4860:4860::8888' } as const;

/** A client somewhere in the world. */
export function farClient(family: Family): Address {
  const address = parseAddress(FAR_AWAY[family]);
  if (!address) throw new Error(`${FAR_AWAY[family]} is no address`);
  return address;
}

/** The way of a packet, from one of our own addresses where that is given; `undefined` where it has none. */
export function findWay(channel: NetlinkChannel, to: Address, from?: Address): RouteAnswer | undefined {
  try {
    const query = encodeRouteQuery(to.family, to, from, littleEndian);
    return decodeRouteAnswer(channel.query(RTM_GETROUTE, query), littleEndian);
  } catch (error) {
    if (error instanceof NetlinkError) return undefined;
    throw error;
  }
}
