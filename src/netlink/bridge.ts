import type { LinkOperation } from './link.ts';
import { RTM_NEWLINK, decodeLink, decodeLinkOperation } from './link.ts';
import { decodeAttributes, viewOf } from './message.ts';
import type { NetlinkMessage } from './message.ts';

// Bridges and their ports as the kernel tells of them: in the links' own messages (IFLA_LINKINFO), and, where only the state of
// a port changes, in messages of family AF_BRIDGE (IFLA_PROTINFO, `br_fill_ifinfo` in net/bridge/br_netlink.c).

const AF_BRIDGE = 7;
const IFINFOMSG = 16;
const IFLA_MASTER = 10;
const IFLA_PROTINFO = 12;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_INFO_SLAVE_KIND = 4;
const IFLA_INFO_SLAVE_DATA = 5;
const IFLA_BR_VLAN_FILTERING = 7;
const IFLA_BRPORT_STATE = 1;
/** BR_STATE_FORWARDING (include/uapi/linux/if_bridge.h). */
const FORWARDING = 3;

/** A device as far as it matters to what leaves by a bridge. */
export interface BridgeLink extends LinkOperation {
  /** `IFLA_MTU`, bytes. */
  readonly mtu: number;
  /** Of a bridge: ports take part in some VLANs only. */
  readonly filtersVlans: boolean;
  /** Of a bridge's port: its state (IEEE 802.1D) lets frames through. */
  readonly forwards: boolean;
}

/** What a bridge tells of one of its ports. */
export interface PortState {
  readonly ifindex: number;
  /** Number of the bridge. */
  readonly bridge: number;
  readonly forwards: boolean;
}

/** Reads RTM_NEWLINK or RTM_DELLINK; `undefined` as `decodeLink`. */
export function decodeBridgeLink(message: NetlinkMessage, littleEndian: boolean): BridgeLink | undefined {
  const operation = decodeLinkOperation(message, littleEndian);
  if (!operation) return undefined;
  const info = decodeAttributes(message.payload, IFINFOMSG, littleEndian).nested(IFLA_LINKINFO);
  const bridge = info?.text(IFLA_INFO_KIND) === 'bridge' ? info.nested(IFLA_INFO_DATA) : undefined;
  const port = info?.text(IFLA_INFO_SLAVE_KIND) === 'bridge' ? info.nested(IFLA_INFO_SLAVE_DATA) : undefined;
  return {
    ...operation,
    mtu: decodeLink(message, littleEndian)?.mtu ?? 0,
    filtersVlans: bridge?.u8(IFLA_BR_VLAN_FILTERING) === 1,
    forwards: port?.u8(IFLA_BRPORT_STATE) === FORWARDING,
  };
}

/**
 * Reads RTM_NEWLINK or RTM_DELLINK of family AF_BRIDGE, the latter of a port that has left; `undefined` for other messages,
 * those about the bridge itself among them.
 */
export function decodePortState({ type, payload }: NetlinkMessage, littleEndian: boolean): PortState | undefined {
  if (payload.length < IFINFOMSG || payload[0] !== AF_BRIDGE) return undefined;
  const attributes = decodeAttributes(payload, IFINFOMSG, littleEndian);
  const bridge = attributes.u32(IFLA_MASTER);
  const ifindex = viewOf(payload).getInt32(4, littleEndian);
  if (bridge === undefined || bridge === ifindex) return undefined;
  const state = attributes.nested(IFLA_PROTINFO)?.u8(IFLA_BRPORT_STATE);
  // A network card may tell of a switch of its own, in which its ports have no such state.
  if (type === RTM_NEWLINK && state === undefined) return undefined;
  return { ifindex, bridge, forwards: state === FORWARDING };
}
