import type { LinkState } from '../config/environment.ts';
import type { Deployment } from '../deployment/deployment.ts';
import type { Address } from '../net/address.ts';
import { goto, match, payload, set } from './expression.ts';
import { rule } from './ruleset.ts';
import type { Chain, Rule } from './ruleset.ts';

export interface ArpAnswer {
  readonly link: LinkState;
  readonly rules: readonly Rule[];
  readonly chains: readonly Chain[];
}

/**
 * Answers ARP for ghosts inside a connected subnet, where nobody else does. A proxy entry would work only if the ghost's
 * route left by another device (arp_process in net/ipv4/arp.c), and `proxy_arp_pvlan` would answer for the whole subnet.
 * So the request is turned into its reply on the spot: addresses change sides, the router's MAC goes in (RFC 826).
 * IPv6 has no such restriction and is left to the kernel's proxy entries.
 */
export function answerArp({ services }: Deployment): ArpAnswer[] {
  const ghosts = new Map<LinkState, Map<string, Address>>();
  for (const { address, answeredOn } of services.flatMap((deployed) => deployed.ghosts)) {
    if (address.family !== 4) continue;
    for (const link of answeredOn) ghosts.set(link, (ghosts.get(link) ?? new Map()).set(address.text, address));
  }
  return [...ghosts].map(([link, addresses]) => ({
    link,
    rules: [...addresses.values()].map(({ text }) =>
      rule('ARP for the ghost', match(arp('operation'), 1), match(arp('daddr ip'), text), goto(chainName(link, text))),
    ),
    chains: [...addresses.values()].map(({ text }) => ({
      name: chainName(link, text),
      rules: [
        rule(
          'request to reply',
          set(arp('operation'), 2),
          set(arp('daddr ip'), arp('saddr ip')),
          set(arp('daddr ether'), arp('saddr ether')),
          set(arp('saddr ip'), text),
          set(arp('saddr ether'), link.hardware ?? ''),
          set(payload('ether', 'daddr'), payload('ether', 'saddr')),
          set(payload('ether', 'saddr'), link.hardware ?? ''),
          { fwd: { dev: link.name } },
        ),
      ],
      bound: { [link.name]: link.ifindex },
    })),
  }));
}

function chainName(link: LinkState, ghost: string): string {
  return `from/${link.name}/arp/${ghost}`;
}

function arp(field: string) {
  return payload('arp', field);
}
