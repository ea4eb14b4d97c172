import { littleEndian } from 'oneip:runtime';
import type { Family } from '../net/address.ts';
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from '../netlink/message.ts';
import { RTM_DELADDR, RTM_NEWADDR, encodeOwnAddress } from '../netlink/link.ts';
import {
  RTM_DELNEIGH,
  RTM_NEWNEIGH,
  encodeManaged,
  encodeNeighbourKey,
  encodePermanent,
  encodeProbe,
  encodeProxy,
  encodeUse,
} from '../netlink/neighbour.ts';
import type { Neighbour } from '../netlink/neighbour.ts';
import { DEFAULT_METRIC6, RTM_DELROUTE, RTM_NEWROUTE, encodeRoute } from '../netlink/route.ts';
import type { Route } from '../netlink/route.ts';
import { RTM_DELRULE, RTM_NEWRULE, encodeRule, looksUpLocal } from '../netlink/rule.ts';
import type { Rule } from '../netlink/rule.ts';
import type { NetworkChange } from '../network/diff.ts';
import {
  type AddressEntry,
  BEFORE_LOCAL,
  type NeighbourEntry,
  ROUTE_PROTOCOL,
  type RouteEntry,
} from '../network/state.ts';
import { ENODEV, ENOENT, ESRCH, NetlinkError, isAddressGone } from './netlink-channel.ts';
import type { NetlinkChannel } from './netlink-channel.ts';
import { readRules } from './rtnetlink.ts';
import { writeSysctl } from './sysctl.ts';

/** How a neighbour entry that was there before us is treated. */
export type Adoption = 'created' | 'adopted';

/** Makes one change in the kernel. What is to go and has gone already is no failure. Throws with the kernel's reason. */
export function applyChange(channel: NetlinkChannel, change: NetworkChange, adoption: Adoption = 'created'): void {
  switch (change.kind) {
    case 'sysctl':
      if (change.action === 'set') writeSysctl(change.key, change.value);
      else unlessGone(() => writeSysctl(change.key, change.value));
      return;
    case 'route':
      applyRoute(channel, change.action, change.entry);
      return;
    case 'rule': {
      const payload = encodeRule({ ...change.entry, protocol: ROUTE_PROTOCOL }, littleEndian);
      if (change.action === 'add') channel.request(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, payload);
      else unlessGone(() => channel.request(RTM_DELRULE, 0, payload));
      return;
    }
    case 'local-rule':
      putLocalBehindOurs(channel, change.family);
      return;
    case 'neighbour':
      if (change.action === 'add') addNeighbour(channel, change.entry, adoption);
      else unlessGone(() => deleteNeighbour(channel, change.entry, adoption));
      return;
    case 'address':
      if (change.action === 'add') addAddress(channel, change.entry);
      else unlessGone(() => channel.request(RTM_DELADDR, 0, ownAddress(change.entry)));
  }
}

function addAddress(channel: NetlinkChannel, entry: AddressEntry): void {
  channel.request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, ownAddress(entry));
}

function ownAddress({ address, prefixLength, device, kind }: AddressEntry): Uint8Array {
  return encodeOwnAddress({ ifindex: device.ifindex, address, prefixLength }, kind, littleEndian);
}

/**
 * Rules of equal priority stand in the order in which they were made. So a second `from all lookup local` goes behind ours,
 * then the first one is deleted: no packet meets a moment without it. Both are alike but for their place, and once our rules
 * are gone the one that is left stands as the kernel's own did.
 */
function putLocalBehindOurs(channel: NetlinkChannel, family: Family): void {
  const first = readRules(channel, family).filter(({ priority }) => priority === BEFORE_LOCAL);
  const local = first.find(looksUpLocal);
  // With VRFs the local rule has been moved to a lower place by hand.
  if (!local) return;
  const foreign = first.filter((rule) => rule.protocol !== ROUTE_PROTOCOL && !isSame(rule, local));
  if (foreign.some((rule) => first.indexOf(rule) > first.indexOf(local))) {
    throw new Error("somebody else's rule of priority 0 stands behind the local rule and would come before it");
  }
  const payload = encodeRule(local, littleEndian);
  if (!isSame(first[first.length - 1], local)) channel.request(RTM_NEWRULE, NLM_F_CREATE, payload);
  removeSurplusLocal(channel, family);
}

/** Leaves the last one of several equal local rules, as a crash in the middle of putting it behind ours has left two. */
export function removeSurplusLocal(channel: NetlinkChannel, family: Family): void {
  const locals = readRules(channel, family).filter((rule) => rule.priority === BEFORE_LOCAL && looksUpLocal(rule));
  const [first, ...others] = locals;
  if (!first) return;
  for (const other of others) {
    if (isSame(other, first)) channel.request(RTM_DELRULE, 0, encodeRule(first, littleEndian));
  }
}

function isSame(rule: Rule | undefined, other: Rule): boolean {
  return rule !== undefined && looksUpLocal(rule) && rule.protocol === other.protocol;
}

function applyRoute(channel: NetlinkChannel, action: 'add' | 'replace' | 'delete', entry: RouteEntry): void {
  const { family, table, destination, type = 'unicast', device, via, onlink, metric } = entry;
  const route: Route = {
    family,
    table,
    destination,
    type,
    protocol: ROUTE_PROTOCOL,
    metric: metric ?? (family === 6 ? DEFAULT_METRIC6 : 0),
    ...(device && { ifindex: device.ifindex }),
    ...(via && { via }),
    ...(onlink && via && { onlink }),
  };
  const payload = encodeRoute(route, littleEndian);
  if (action === 'delete') unlessGone(() => channel.request(RTM_DELROUTE, 0, payload));
  else channel.request(RTM_NEWROUTE, NLM_F_CREATE | (action === 'add' ? NLM_F_EXCL : NLM_F_REPLACE), payload);
}

function addNeighbour(channel: NetlinkChannel, entry: NeighbourEntry, adoption: Adoption): void {
  const key = neighbourOf(entry);
  channel.request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, payloadOf());

  function payloadOf(): Uint8Array {
    switch (entry.kind) {
      case 'proxy':
        return encodeProxy(key, ROUTE_PROTOCOL, littleEndian);
      case 'permanent':
        return encodePermanent(key, entry.hardware ?? '', ROUTE_PROTOCOL, littleEndian);
      case 'managed':
        // The protocol cannot be taken off an entry again: one that goes back to the kernel does not get it.
        return encodeManaged(key, adoption === 'adopted' ? 0 : ROUTE_PROTOCOL, littleEndian);
    }
  }
}

function deleteNeighbour(channel: NetlinkChannel, entry: NeighbourEntry, adoption: Adoption): void {
  const key = neighbourOf(entry);
  if (entry.kind === 'proxy') channel.request(RTM_DELNEIGH, 0, encodeProxy(key, 0, littleEndian));
  else if (adoption === 'adopted') channel.request(RTM_NEWNEIGH, NLM_F_REPLACE, encodeUse(key, false, littleEndian));
  else channel.request(RTM_DELNEIGH, 0, encodeNeighbourKey(key, littleEndian));
}

/** Has an entry that the kernel does not manage refreshed, as a packet would. */
export function refreshNeighbour(channel: NetlinkChannel, entry: NeighbourEntry): void {
  channel.request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, encodeUse(neighbourOf(entry), true, littleEndian));
}

/** Has a managed entry asked now whether its MAC still holds, or resolved now where it has none. */
export function verifyNeighbour(channel: NetlinkChannel, { family, address, ifindex, valid }: Neighbour): void {
  const key = { family, address, ifindex };
  if (valid) channel.request(RTM_NEWNEIGH, NLM_F_REPLACE, encodeProbe(key, littleEndian));
  channel.request(RTM_NEWNEIGH, NLM_F_REPLACE, encodeManaged(key, 0, littleEndian));
}

function neighbourOf({ family, address, device }: NeighbourEntry) {
  return { family, address, ifindex: device.ifindex };
}

function unlessGone(remove: () => void): void {
  try {
    remove();
  } catch (error) {
    if (error instanceof NetlinkError && [ENOENT, ESRCH, ENODEV].includes(error.errno)) return;
    if (error instanceof NetlinkError && isAddressGone(error.errno)) return;
    if ((error as { code?: string }).code === 'ENOENT') return;
    throw error;
  }
}
