import { littleEndian } from 'oneip:runtime';
import { slotOf } from '../allocation/client-key.ts';
import { flowKey, flowOf } from '../channel/flow.ts';
import type { FlowKey } from '../channel/flow.ts';
import type { Service } from '../config/model.ts';
import type { Family } from '../net/address.ts';
import { CONNTRACK_GET, decodeTracked, encodeProtocolDump } from '../netlink/conntrack.ts';
import type { Tuple } from '../netlink/conntrack.ts';
import { PROTOCOL_NUMBER } from '../ruleset/traffic.ts';
import { findConnection } from './connections.ts';
import type { NetlinkChannel } from './netlink-channel.ts';

const UDP = PROTOCOL_NUMBER.udp;

/**
 * Flows of datagrams between clients and a service that this machine knows, in the slots that have a 1. Whoever spoke first: a
 * flow that had ended for conntrack begins with the server's next datagram. Throws `NetlinkError`.
 */
export function openFlows(channel: NetlinkChannel, service: Service, family: Family, slots: Uint8Array): FlowKey[] {
  const found = new Set<FlowKey>();
  channel.dump(CONNTRACK_GET, encodeProtocolDump(family, UDP, littleEndian), (message) => {
    const tracked = decodeTracked(message, littleEndian);
    for (const tuple of tracked ? [tracked.original, tracked.reply] : []) {
      const flow = isToService(tuple, service) ? inSlots(tuple, service, slots) : undefined;
      if (flow !== undefined) found.add(flow);
    }
    return undefined;
  });
  return [...found];
}

/** Those of the flows that this machine does not know any more. Throws `NetlinkError`. */
export function endedFlows(channel: NetlinkChannel, flows: Iterable<FlowKey>): FlowKey[] {
  return [...flows].filter((key) => {
    const { client: source, clientPort: sourcePort, ghost: destination, port: destinationPort } = flowOf(key);
    return !findConnection(channel, { source, destination, protocol: UDP, sourcePort, destinationPort });
  });
}

function isToService({ protocol, destination, destinationPort: port = 0 }: Tuple, { ghosts, ports }: Service): boolean {
  return (
    protocol === UDP &&
    ghosts.some(({ text }) => text === destination.text) &&
    (ports.length === 0 || ports.some(({ first, last }) => first <= port && port <= last))
  );
}

function inSlots(tuple: Tuple, service: Service, slots: Uint8Array): FlowKey | undefined {
  const { source: client, destination: ghost, sourcePort: clientPort = 0, destinationPort: port = 0 } = tuple;
  const packet = { client, protocol: UDP, ports: { client: clientPort, service: port } };
  if (slots[slotOf(packet, service, littleEndian)] !== 1) return undefined;
  return flowKey({ client, clientPort, ghost, port });
}
