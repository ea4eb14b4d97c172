import { PayloadWriter, decodeAttributes, viewOf } from './message.ts';
import type { NetlinkMessage } from './message.ts';
import { hardwareText } from './text.ts';

// The forwarding database of bridges: which port leads to which MAC address (include/uapi/linux/neighbour.h,
// net/bridge/br_fdb.c). It comes as neighbour messages of family AF_BRIDGE.

const AF_BRIDGE = 7;
const NDMSG = 12;
const NDA_LLADDR = 2;
const NDA_VLAN = 5;
const NDA_MASTER = 9;
const NUD_PERMANENT = 0x80;

export interface ForwardingEntry {
  /** Number of the bridge. */
  readonly bridge: number;
  /** Number of the device that is its port. */
  readonly port: number;
  /** MAC address as text. */
  readonly hardware: string;
  /** The address is the bridge's, or port's, own. */
  readonly local: boolean;
  /** VLAN that the entry is for; absent: the one of bridges that know no VLANs. */
  readonly vlan?: number;
}

/** Payload of RTM_GETNEIGH for the databases of all bridges. */
export function encodeForwardingDump(littleEndian: boolean): Uint8Array {
  return new PayloadWriter(littleEndian)
    .bytes([AF_BRIDGE])
    .bytes(new Uint8Array(NDMSG - 1))
    .finish();
}

/** Reads RTM_NEWNEIGH or RTM_DELNEIGH; `undefined` where it is about no bridge, but a device's own list of addresses. */
export function decodeForwarding({ payload }: NetlinkMessage, littleEndian: boolean): ForwardingEntry | undefined {
  if (payload.length < NDMSG || payload[0] !== AF_BRIDGE) return undefined;
  const view = viewOf(payload);
  const attributes = decodeAttributes(payload, NDMSG, littleEndian);
  const bridge = attributes.u32(NDA_MASTER);
  const hardware = attributes.bytes(NDA_LLADDR);
  if (bridge === undefined || !hardware) return undefined;
  const vlan = attributes.u16(NDA_VLAN);
  return {
    bridge,
    port: view.getInt32(4, littleEndian),
    hardware: hardwareText(hardware),
    local: (view.getUint16(8, littleEndian) & NUD_PERMANENT) !== 0,
    ...(vlan !== undefined && { vlan }),
  };
}
