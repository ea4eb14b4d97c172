import type { LinkState } from '../config/environment.ts';
import { isFlooded, isTranslated, serverAddress } from '../config/model.ts';
import type { DeployedService, Deployment } from '../deployment/deployment.ts';
import type { Address } from '../net/address.ts';
import { INGRESS_PRIORITY } from '../ruleset/fast-path.ts';
import { TABLE } from '../ruleset/ruleset.ts';
import { transports } from '../ruleset/traffic.ts';
import { type Finding, mendByHand } from './finding.ts';
import { type Drop, type Firewall, UNTIL_LOADED, describeDrop, passCommand } from './firewall.ts';
import type { Packet } from './packet-match.ts';

/** Of the slow path's marks the part that all have in common, as the documentation has it for other firewalls. */
const MARK_MASK = 0xffff0000;

/** What the rules of others do to the packets of services, and to the answers. */
export function examineForwarding({ services, markBase }: Deployment, firewall: Firewall): Finding[] {
  const examiner = new ForwardingExaminer(markBase, firewall);
  for (const deployed of services) examiner.examine(deployed);
  return examiner.findings;
}

class ForwardingExaminer {
  readonly findings: Finding[] = [];
  readonly #markBase: number;
  readonly #firewall: Firewall;

  constructor(markBase: number, firewall: Firewall) {
    this.#markBase = markBase;
    this.#firewall = firewall;
  }

  /** What somebody else's rules make of requests that the stack forwards, and of answers. */
  examine(deployed: DeployedService): void {
    const { service, device, sources, ghosts, servers } = deployed;
    if (isTranslated(service)) {
      this.#examineTranslated(deployed);
      return;
    }
    const mark = isFlooded(service) ? 0 : (this.#markBase + (servers[0]?.number ?? 0)) >>> 0;
    const beyond = sources.filter(({ name }) => name !== device.name);
    for (const { address: ghost } of ghosts) {
      const ways = beyond.flatMap((source) =>
        [...new Set(transports(service))].map((protocol) => ({ source, protocol })),
      );
      const port = service.ports[0]?.first;
      const common = { family: ghost.family, state: 'untracked' } as const;
      const answers = this.#dropsOf(ways, ({ source, protocol }) => ({
        ...common,
        protocol,
        incoming: device.name,
        outgoing: source.name,
        source: ghost,
        ...(port !== undefined && { sourcePort: port }),
        mark: 0,
      }));
      for (const { drop, names } of answers) this.#answersDropped(drop, ghost, device, names);
      const arriving = { ...common, destination: ghost, ...(port !== undefined && { destinationPort: port }), mark };
      const requests = this.#dropsOf(ways, ({ source, protocol }) => ({
        ...arriving,
        protocol,
        incoming: source.name,
        outgoing: device.name,
      }));
      const early = this.#dropsOf(
        ways,
        ({ source, protocol }) => ({ ...arriving, protocol, incoming: source.name }),
        (packet) => this.#firewall.dropsBefore(packet, INGRESS_PRIORITY, [TABLE]),
      );
      for (const { drop, names } of early) this.#takenBefore(drop, ghost, names);
      for (const { drop, names } of requests) this.#requestsDropped(drop, deployed, ghost, names);
    }
  }

  /**
   * The first packet of a connection, as the forward hook has it: to a server's address, and marked. What comes after it, answers
   * among it, is of an established connection, which firewalls let through.
   */
  #examineTranslated({ service, device, sources, ghosts, servers }: DeployedService): void {
    const beyond = sources.filter(({ name }) => name !== device.name);
    for (const { address: ghost } of ghosts) {
      const ends = servers.flatMap((server) => {
        const destination = serverAddress(server, ghost.family);
        return destination ? [{ ...server, destination }] : [];
      });
      const ways = beyond.flatMap((source) =>
        [...new Set(transports(service))].flatMap((protocol) => ends.map((end) => ({ source, protocol, end }))),
      );
      const firsts = this.#dropsOf(
        ways,
        ({ source, protocol, end }) => {
          const port = end.port ?? service.ports[0]?.first;
          return {
            family: ghost.family,
            protocol,
            incoming: source.name,
            outgoing: device.name,
            destination: end.destination,
            ...(port !== undefined && { destinationPort: port }),
            mark: (this.#markBase + end.number) >>> 0,
            state: 'new',
          };
        },
        (packet) => this.#firewall.drops(packet, ['forward', 'postrouting'], [TABLE]),
      );
      for (const { drop, names } of firsts) {
        this.findings.push({
          id: 'requests-dropped',
          severity: 'error',
          what: `the firewall drops what comes by ${names} for ${ghost.text}, on its way to servers: ${describeDrop(drop)}`,
          why: 'No connection is made, at least to some of the servers.',
          mend: mendByHand(passCommand(drop, this.#markMatch())),
          advice: UNTIL_LOADED,
        });
      }
    }
  }

  /** What all marks of the slow path have in common, for nft. */
  #markMatch(): string {
    return `meta mark and 0x${MARK_MASK.toString(16)} == 0x${((this.#markBase & MARK_MASK) >>> 0).toString(16)}`;
  }

  #takenBefore(drop: Drop, ghost: Address, sources: string): void {
    this.findings.push({
      id: 'requests-dropped',
      severity: 'error',
      what: `what comes by ${sources} for ${ghost.text} is dropped before oneip sees it: ${describeDrop(drop)}`,
      why: 'No request gets to any server.',
      mend: mendByHand(passCommand(drop, `${ghost.family === 4 ? 'ip' : 'ip6'} daddr ${ghost.text}`)),
      advice: UNTIL_LOADED,
    });
  }

  /** Where packets are dropped, each place once, with the devices at the clients' side. */
  #dropsOf<Way extends { readonly source: LinkState }>(
    ways: readonly Way[],
    packetOf: (way: Way) => Packet,
    dropOf = (packet: Packet) => this.#firewall.drops(packet, ['prerouting', 'forward', 'postrouting'], [TABLE]),
  ): { readonly drop: Drop; readonly names: string }[] {
    const found = new Map<string, { readonly drop: Drop; readonly sources: Set<string> }>();
    for (const way of ways) {
      const drop = dropOf(packetOf(way));
      if (!drop) continue;
      const place = found.get(describeDrop(drop)) ?? { drop, sources: new Set() };
      place.sources.add(way.source.name);
      found.set(describeDrop(drop), place);
    }
    return [...found.values()].map(({ drop, sources }) => ({ drop, names: [...sources].join(' or ') }));
  }

  #answersDropped(drop: Drop, ghost: Address, { name }: LinkState, sources: string): void {
    const isLeakage = /NAT leakage/i.test(drop.comment ?? '');
    const zone = /^accept_to_(.+)$/.exec(drop.chain)?.[1];
    this.findings.push({
      id: 'answers-dropped',
      severity: 'error',
      what: `the firewall drops what servers answer from ${ghost.text}, from ${name} to ${sources}: ${describeDrop(drop)}`,
      why: 'Clients send their requests, the servers answer, and nothing comes back.',
      mend: mendByHand(passCommand(drop, `${ghost.family === 4 ? 'ip' : 'ip6'} saddr ${ghost.text}`)),
      advice: isLeakage
        ? `It holds until the firewall is loaded again; for good: option masq_allow_invalid '1' of the zone${zone === undefined ? '' : ` '${zone}'`} in /etc/config/firewall.`
        : UNTIL_LOADED,
    });
  }

  #requestsDropped(drop: Drop, { service }: DeployedService, ghost: Address, sources: string): void {
    const isAll = isFlooded(service);
    const match = isAll ? `${ghost.family === 4 ? 'ip' : 'ip6'} daddr ${ghost.text}` : this.#markMatch();
    this.findings.push({
      id: 'requests-dropped',
      severity: isAll ? 'error' : 'warning',
      what: `the firewall drops ${isAll ? 'what is' : 'fragments and large packets'} for ${ghost.text} from ${sources}: ${describeDrop(drop)}`,
      why: isAll
        ? 'No request gets to any server.'
        : 'The stack forwards them, not the fast path: most works, and what is large does not.',
      mend: mendByHand(passCommand(drop, match)),
      advice: UNTIL_LOADED,
    });
  }
}
