import type { Family } from '../net/address.ts';
import { TABLE } from '../ruleset/ruleset.ts';
import { type Finding, mendByHand } from './finding.ts';
import { type Firewall, UNTIL_LOADED, describeDrop, passCommand } from './firewall.ts';
import type { Packet } from './packet-match.ts';

/** A channel between the router and its servers, at this end of it. */
export interface ChannelEnd {
  /** Name of the device. */
  readonly device: string;
  readonly family: Family;
  /** UDP port. */
  readonly port: number;
}

/** What the rules of others do to what comes by the channels; `others` are who says it. */
export function examineChannels(ends: readonly ChannelEnd[], firewall: Firewall, others: string): Finding[] {
  return ends.flatMap(({ device, family, port }): Finding[] => {
    const ports = { sourcePort: port, destinationPort: port };
    const packet: Packet = { family, protocol: 'udp', incoming: device, ...ports, mark: 0, state: 'new' };
    const drop = firewall.drops(packet, ['prerouting', 'input'], [TABLE]);
    if (!drop) return [];
    return [
      {
        id: 'channel-dropped',
        severity: 'error',
        what: `the firewall drops what ${others} by ${device} (UDP port ${port}): ${describeDrop(drop)}`,
        why: 'A server that is not heard is taken for dead, and one that hears nothing takes no new clients.',
        mend: mendByHand(passCommand(drop, `iifname ${device} udp dport ${port}`)),
        advice: UNTIL_LOADED,
      },
    ];
  });
}
