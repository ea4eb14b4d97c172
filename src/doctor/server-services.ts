import { type Server, type Service, serverAddress } from '../config/model.ts';
import type { Address } from '../net/address.ts';
import { TABLE } from '../ruleset/ruleset.ts';
import { type Finding, mendBy, mendByHand, sysctlCommand } from './finding.ts';
import { type Drop, type Firewall, UNTIL_LOADED, describeDrop, passCommand } from './firewall.ts';
import {
  type OwnAddress,
  type Place,
  type ServerObservation,
  findAddress,
  numberAt,
  placeKey,
  placesOf,
} from './observation.ts';
import type { Packet } from './packet-match.ts';

/** Where a packet for this machine comes by. */
const HOOKS = ['prerouting', 'input'];

/** Whether a server's programs, and what stands before them, take what is for its services. */
export class ServiceExaminer {
  readonly findings: Finding[] = [];
  readonly #server: Server;
  readonly #seen: ServerObservation;
  readonly #firewall: Firewall | undefined;

  constructor(server: Server, seen: ServerObservation, firewall: Firewall | undefined) {
    this.#server = server;
    this.#seen = seen;
    this.#firewall = firewall;
  }

  /** Whether the service is there for who comes. */
  examine(service: Service, ghost: Address): void {
    const address = serverAddress(this.#server, ghost.family);
    if (!address || !findAddress(this.#seen, ghost)) return;
    const own = findAddress(this.#seen, address);
    const places = placesOf(service, ghost);
    const taken = own ? this.#examineFirewall(places, own) : [];
    for (const port of new Set(places.map((place) => place.port))) {
      const here = places.filter((place) => place.port === port);
      const missing = here.filter((place) => !taken.includes(place) && !this.#isServed(place));
      const isElsewhere = (place: Place) => this.#listenersAt(place).length > 0;
      // A program that serves TCP only is as it should be where the configuration says nothing of protocols.
      const wrong = missing.length === here.length ? missing.slice(0, 1) : missing.filter(isElsewhere);
      const protocols = missing.map(({ protocol }) => protocol);
      for (const place of wrong) this.#missListener(service, place, protocols);
    }
  }

  /** Whether this machine takes its share of what is sent to all servers, and no more. */
  examineFlood({ name, dispatch, ghosts }: Service): void {
    if (this.#firewall && !this.#firewall.tables.has(`inet ${TABLE}`)) {
      this.findings.push({
        id: 'filter-missing',
        severity: 'error',
        what: `this machine takes everything that is for the service '${name}', whose packets go to all servers (dispatch '${dispatch}')`,
        why: "Every server answers every client, and their answers break each other's connections.",
        advice: `Run 'oneip server' here, or what 'oneip server-script ${this.#server.name}' prints.`,
      });
    }
    const address = serverAddress(this.#server, 6);
    const device = address && findAddress(this.#seen, address)?.device;
    if (device === undefined || !ghosts.some(({ family }) => family === 6)) return;
    const scopes = ['all', device].map((scope) => `net/ipv6/conf/${scope}/drop_unicast_in_l2_multicast`);
    const dropping = scopes.filter((key) => numberAt(this.#seen.sysctls, key) === 1);
    if (dropping.length === 0) return;
    this.findings.push({
      id: 'group-frames',
      severity: 'error',
      what: `this machine drops packets of IPv6 that come in frames to a group (drop_unicast_in_l2_multicast)`,
      why: `That is how packets for the service '${name}' come, so that it gets none of them.`,
      mend: mendBy(...dropping.map((key) => sysctlCommand(key, '0'))),
    });
  }

  /** Those that the firewall drops, or gives to somebody else, so that who waits for them here makes no difference. */
  #examineFirewall(places: readonly Place[], own: OwnAddress): Place[] {
    const dropped = new Map<string, { readonly drop: Drop; readonly places: Place[] }>();
    const taken = places.filter((place) => {
      const packet = arriving(place, own.device);
      const drop = this.#firewall?.drops(packet, HOOKS, [TABLE]);
      if (!drop) {
        if (this.#firewall?.translates(packet)) return true;
        this.#examineInvalid(packet);
        return false;
      }
      const where = describeDrop(drop);
      const group = dropped.get(where) ?? { drop, places: [] };
      if (this.#isMeant(place)) group.places.push(place);
      if (group.places.length > 0) dropped.set(where, group);
      return true;
    });
    for (const { drop, places: group } of dropped.values()) this.#droppedBy(drop, group);
    return taken;
  }

  #droppedBy(drop: Drop, places: readonly Place[]): void {
    const [{ ghost } = { ghost: undefined }] = places;
    if (!ghost) return;
    const byProtocol = (['tcp', 'udp'] as const).flatMap((protocol) => {
      const ports = places.filter((place) => place.protocol === protocol).map(({ port }) => port);
      return ports.length > 0 ? [{ protocol, ports }] : [];
    });
    const named = byProtocol.map(({ protocol, ports }) => `${protocol} port ${ports.join(', ')}`).join(' and ');
    const commands = byProtocol.map(({ protocol, ports }) => {
      const set = ports.length === 1 ? String(ports[0]) : `{ ${ports.join(', ')} }`;
      return passCommand(drop, `${ghost.family === 4 ? 'ip' : 'ip6'} daddr ${ghost.text} ${protocol} dport ${set}`);
    });
    this.findings.push({
      id: 'firewall',
      severity: 'error',
      what: `the firewall here drops what is for ${ghost.text} ${named}: ${describeDrop(drop)}`,
      why: 'Requests arrive at this machine and never at its service.',
      mend: mendByHand(...commands),
      advice: UNTIL_LOADED,
    });
  }

  #examineInvalid(packet: Packet): void {
    const drop = this.#firewall?.drops({ ...packet, state: 'invalid' }, HOOKS, [TABLE]);
    if (
      !drop ||
      packet.protocol !== 'tcp' ||
      numberAt(this.#seen.sysctls, 'net/netfilter/nf_conntrack_tcp_loose') !== 0
    )
      return;
    this.findings.push({
      id: 'invalid-dropped',
      severity: 'warning',
      what: `connections that this machine has not seen begin are dropped: ${describeDrop(drop)}, and nf_conntrack_tcp_loose is 0`,
      why: 'A client whose server has died gets no RST from the next one, and hangs instead of connecting anew.',
      mend: mendBy(sysctlCommand('net/netfilter/nf_conntrack_tcp_loose', '1')),
    });
  }

  /** Where a service takes TCP and UDP, the protocol for which nobody listens anywhere is not what the firewall has to pass. */
  #isMeant(place: Place): boolean {
    const other: Place = { ...place, protocol: place.protocol === 'tcp' ? 'udp' : 'tcp' };
    return this.#listenersAt(place).length > 0 || this.#listenersAt(other).length === 0;
  }

  #isServed(place: Place): boolean {
    const answer = this.#seen.local.get(placeKey(place));
    if (answer === 'connected') return true;
    const isHeard = ({ address, family }: ServerObservation['listeners'][number]) =>
      // A socket on `::` takes IPv4 as well, unless it was told not to, which cannot be seen; a connection tells.
      address === 'any'
        ? family === place.ghost.family || (family === 6 && answer !== 'refused')
        : address.text === place.ghost.text;
    return this.#listenersAt(place).some(isHeard);
  }

  #missListener(service: Service, place: Place, protocols: readonly string[]): void {
    const { ghost, port } = place;
    const elsewhere = this.#listenersAt(place).map(({ address, family }) =>
      address === 'any' ? `all addresses of IPv${family}` : address.text,
    );
    const where = `${ghost.text} ${elsewhere.length > 0 ? place.protocol : protocols.join(' or ')} port ${port}`;
    this.findings.push({
      id: elsewhere.length > 0 ? 'bound-elsewhere' : 'not-listening',
      severity: 'error',
      what:
        elsewhere.length > 0
          ? `the program on port ${port} waits at ${[...new Set(elsewhere)].join(' and ')}, and not at ${where}`
          : `nobody waits at ${where}, which the service '${service.name}' is about`,
      why: 'Clients are refused, although the program may run and answer at other addresses.',
      advice:
        elsewhere.length > 0
          ? `Bind it to ${ghost.text} too, or to all addresses of IPv${ghost.family}; 'ss -lntup' shows what is.`
          : "Start the program; 'ss -lntup' shows who waits where.",
    });
  }

  #listenersAt({ protocol, port }: Place): ServerObservation['listeners'] {
    return this.#seen.listeners.filter((listener) => listener.protocol === protocol && listener.port === port);
  }
}

/** What a client sends to the service, as it comes in. */
function arriving({ ghost, protocol, port }: Place, incoming: string): Packet {
  const { family } = ghost;
  return { family, protocol, incoming, destination: ghost, destinationPort: port, mark: 0, state: 'new' };
}
