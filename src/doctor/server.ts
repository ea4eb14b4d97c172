import { type Server, type Service, isFlooded, serverAddress } from '../config/model.ts';
import type { Problem } from '../config/problem.ts';
import { type Address, type Family, maskAddress, prefixHolds } from '../net/address.ts';
import { TABLE } from '../ruleset/ruleset.ts';
import type { Identity } from '../server/identity.ts';
import { type Drop, type Packet, describeDrop, Firewall, passCommand } from './firewall.ts';
import {
  type Diagnosis,
  type Finding,
  configurationFinding,
  mendBy,
  mendByHand,
  sortFindings,
  sysctlCommand,
} from './finding.ts';
import { type OwnAddress, type Place, type ServerObservation, placeKey, placesOf } from './observation.ts';

/** Milliseconds by which clocks may differ before logs can no longer be read side by side. */
const CLOCK_TOLERANCE = 5000;
/** Where a packet for this machine comes by. */
const HOOKS = ['prerouting', 'input'];
/** Devices on which nobody asks for addresses: what is on them is never answered for. */
const SILENT_KINDS = ['dummy'];

/** What keeps a server from answering for its ghosts, or makes it answer where it must not. Pure. */
export function examineServer(
  { server, services }: Identity,
  seen: ServerObservation,
  tableBase: number,
  problems: readonly Problem[] = [],
): Diagnosis {
  const examiner = new ServerExaminer(server, seen, tableBase);
  const ghosts = new Map(services.flatMap((service) => service.ghosts.map((ghost) => [ghost.text, ghost] as const)));
  for (const ghost of ghosts.values()) examiner.examineGhost(ghost);
  for (const service of services) for (const ghost of service.ghosts) examiner.examineService(service, ghost);
  for (const service of services) if (isFlooded(service)) examiner.examineFlood(service);
  examiner.examineRouter();
  // Warnings are about what the router has to do with it.
  const errors = problems.filter(({ severity }) => severity === 'error').map(configurationFinding);
  return { findings: sortFindings([...errors, ...examiner.findings]), unknown: [...examiner.unknown] };
}

class ServerExaminer {
  readonly findings: Finding[] = [];
  readonly unknown = new Set<string>();
  readonly #server: Server;
  readonly #seen: ServerObservation;
  readonly #tableBase: number;
  readonly #firewall: Firewall | undefined;

  constructor(server: Server, seen: ServerObservation, tableBase: number) {
    this.#server = server;
    this.#seen = seen;
    this.#tableBase = tableBase;
    this.#firewall = seen.ruleset === undefined ? undefined : new Firewall(seen.ruleset);
    if (!this.#firewall) this.unknown.add('the firewall was not looked at, since nft cannot list it here');
  }

  /** Where the ghost is, who hears of it, and how its packets leave. */
  examineGhost(ghost: Address): void {
    const own = this.#ownAddress(ghost.family);
    // A server without an address of the family is given no clients of it.
    if (!serverAddress(this.#server, ghost.family)) return;
    const isThere = this.#examinePlace(ghost);
    if (!own) {
      this.#missOwnAddress(ghost.family);
      return;
    }
    if (ghost.family === 4) this.#examineArp(ghost, own);
    if (isThere) this.#examineWayOut(ghost, own);
  }

  /** Whether the service is there for who comes. */
  examineService(service: Service, ghost: Address): void {
    const own = this.#ownAddress(ghost.family);
    if (!serverAddress(this.#server, ghost.family) || !this.#placesOf(ghost).length) return;
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
        why: 'Every server answers every client, which takes the second answer for an attack and resets the connection.',
        advice: `Run 'oneip server' here, or what 'oneip server-script ${this.#server.name}' prints.`,
      });
    }
    const device = this.#ownAddress(6)?.device;
    if (device === undefined || !ghosts.some(({ family }) => family === 6)) return;
    const scopes = ['all', device].map((scope) => `net/ipv6/conf/${scope}/drop_unicast_in_l2_multicast`);
    const dropping = scopes.filter((key) => this.#number(key) === 1);
    if (dropping.length === 0) return;
    this.findings.push({
      id: 'group-frames',
      severity: 'error',
      what: `this machine drops packets of IPv6 that come in frames to a group (drop_unicast_in_l2_multicast)`,
      why: `That is how packets for the service '${name}' come, so that it gets none of them.`,
      mend: mendBy(...dropping.map((key) => sysctlCommand(key, '0'))),
    });
  }

  /** What lies between here and the router. */
  examineRouter(): void {
    for (const [router, { answers, expected, largest }] of this.#seen.paths) {
      if (!answers) {
        this.unknown.add(`${router}, the next hop to the clients, answers no ping, so that its MTU was not measured`);
        continue;
      }
      if (largest >= expected) continue;
      const device = this.#deviceTowards(router);
      this.findings.push({
        id: 'path-mtu',
        severity: 'error',
        what: `packets of more than ${largest} bytes do not get to ${router} and back, although ${device} takes ${expected}`,
        why: 'Pages begin and stop, since small packets get through and full ones do not; nobody says so to the sender.',
        mend: mendBy(`ip link set dev ${device} mtu ${largest}`),
        advice: 'Or raise what is smaller on the way: the device of the router, a switch, a tunnel.',
      });
    }
    for (const [router, ahead] of this.#seen.clocks) {
      if (Math.abs(ahead) <= CLOCK_TOLERANCE) continue;
      const seconds = Math.round(Math.abs(ahead) / 1000);
      this.findings.push({
        id: 'clock',
        severity: 'information',
        what: `the clock of ${router} is ${seconds} s ${ahead > 0 ? 'ahead of' : 'behind'} the one here`,
        why: 'Nothing depends on it but people, who cannot read the logs of both side by side.',
        advice: 'Let both follow a time server.',
      });
    }
  }

  /** True where the ghost is on this machine at all. */
  #examinePlace(ghost: Address): boolean {
    const length = ghost.bytes.length * 8;
    const places = this.#placesOf(ghost);
    const right = places.find((place) => this.#isSilent(place) && place.prefixLength === length);
    const add = `ip address add ${ghost.text}/${length} dev lo`;
    if (places.length === 0) {
      this.findings.push({
        id: 'ghost-missing',
        severity: 'error',
        what: `the ghost ${ghost.text} is on no device of this machine`,
        why: 'Its stack throws away what is for an address that it has not, without a word to the client.',
        mend: mendBy(add),
      });
    }
    for (const place of places) {
      const remove = `ip address del ${ghost.text}/${place.prefixLength} dev ${place.device}`;
      if (!this.#isSilent(place)) this.#exposed(place, right ? [remove] : [add, remove]);
      else if (place.prefixLength !== length) {
        // IPv6 takes an address once on a device, whatever its prefix.
        const onLo = ghost.family === 4 ? [add, remove] : [remove, add];
        this.findings.push({
          id: 'ghost-prefix',
          severity: 'error',
          what: `the ghost ${ghost.text} is on ${place.device} with the prefix length ${place.prefixLength}`,
          why: 'This machine takes all of that network for itself, be it other machines or clients.',
          mend: mendBy(...(right ? [remove] : onLo)),
        });
      }
    }
    return places.length > 0;
  }

  #exposed(place: OwnAddress, commands: readonly string[]): void {
    const { address, device, duplicate, tentative, prefixLength } = place;
    const state = duplicate
      ? ', where somebody else has it too (dadfailed)'
      : tentative
        ? ', where it may not be used yet (tentative)'
        : '';
    const isFull = prefixLength === address.bytes.length * 8;
    this.findings.push({
      id: 'ghost-device',
      severity: 'error',
      what: `the ghost ${address.text} is on ${device} instead of lo${state}`,
      why: 'The machine tells its network that the address is here, so that all clients there go to this one server.',
      // The route of a network, and with it the way to a gateway, would go with the address.
      mend: isFull ? mendBy(...commands) : mendByHand(...commands),
    });
  }

  #missOwnAddress(family: Family): void {
    const address = serverAddress(this.#server, family);
    this.findings.push({
      id: 'own-address',
      severity: 'error',
      what: `${address?.text ?? ''}, by which the router knows the server '${this.#server.name}', is on no device of this machine`,
      why: 'The router asks for it to find this machine, and nobody answers.',
      advice: `Give it to the device on the servers' network, or correct option 'address${family === 6 ? '6' : ''}' of the server.`,
    });
  }

  #examineArp(ghost: Address, own: OwnAddress): void {
    const isAskedFor = prefixHolds(maskAddress(own.address, own.prefixLength), ghost);
    const severity = isAskedFor ? 'error' : 'warning';
    this.#examineArpSetting('arp_ignore', own.device, [1, 2], 1, {
      severity,
      why: 'The machine answers ARP for the ghost, so that clients of its own network all go to it, past the router.',
    });
    this.#examineArpSetting('arp_announce', own.device, [2], 2, {
      severity,
      why: 'The machine asks for its neighbours in the name of the ghost, and who hears it sends what is for the ghost here.',
    });
  }

  /** The larger of what `all` and the device have is in force. */
  #examineArpSetting(
    name: 'arp_ignore' | 'arp_announce',
    device: string,
    good: readonly number[],
    wanted: number,
    rest: Pick<Finding, 'severity' | 'why'>,
  ): void {
    const values = ['all', device].map((scope) => this.#number(`net/ipv4/conf/${scope}/${name}`) ?? 0);
    const inForce = Math.max(...values);
    if (good.includes(inForce)) return;
    const scopes = ['all', device].filter((_, index) => index === 0 || (values[index] ?? 0) > wanted);
    this.findings.push({
      id: name.replace('_', '-'),
      what: `${name} is ${inForce} on ${device}, where ${good.join(' or ')} is right`,
      mend: mendBy(...scopes.map((scope) => sysctlCommand(`net/ipv4/conf/${scope}/${name}`, String(wanted)))),
      ...rest,
    });
  }

  #examineWayOut(ghost: Address, own: OwnAddress): void {
    const { family } = ghost;
    const ip = family === 4 ? 'ip' : 'ip -6';
    const way = this.#seen.waysOut.get(ghost.text);
    const gateway = this.#seen.gateways.get(`${own.device} ${family}`);
    const via = gateway?.text ?? 'ROUTER';
    const advice = gateway
      ? {}
      : { advice: `ROUTER is the router's address on ${own.device}, which is not known here.` };
    if (!way) {
      const command = `${ip} route add default via ${via} dev ${own.device}`;
      this.findings.push({
        id: 'no-route',
        severity: 'error',
        what: `there is no way from ${ghost.text} to clients: no default route of IPv${family}`,
        why: 'Requests arrive, and the answers have nowhere to go.',
        mend: gateway ? mendBy(command) : mendByHand(command),
        ...advice,
      });
      return;
    }
    if (way.device === own.device) return;
    const table = this.#tableBase;
    const commands = [
      `${ip} route replace default via ${via} dev ${own.device} table ${table}`,
      `${ip} rule add from ${ghost.text} lookup ${table}`,
    ];
    this.findings.push({
      id: 'wrong-route',
      severity: 'error',
      what: `answers from ${ghost.text} leave by ${way.device}${way.via ? ` via ${way.via.text}` : ''}, not by ${own.device}, from where requests come`,
      why: 'Whoever is there sees half of a connection, or an address that is not from there, and drops it.',
      mend: gateway ? mendBy(...commands) : mendByHand(...commands),
      advice: gateway
        ? 'So only what the ghost says goes by the router; the default route of the machine itself stays.'
        : (advice.advice ?? ''),
    });
    const strict = Math.max(
      ...['all', own.device].map((scope) => this.#number(`net/ipv4/conf/${scope}/rp_filter`) ?? 0),
    );
    if (family === 4 && strict === 1) {
      this.findings.push({
        id: 'rp-filter',
        severity: 'error',
        what: `rp_filter is strict on ${own.device}, and the way back to clients is ${way.device}`,
        why: 'The kernel drops every request, since it would not answer by the device that it came from (RFC 3704).',
        mend: mendBy(sysctlCommand(`net/ipv4/conf/${own.device}/rp_filter`, '2')),
      });
    }
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
      advice: 'It holds until the firewall is loaded again: put the same into its own configuration.',
    });
  }

  #examineInvalid(packet: Packet): void {
    const drop = this.#firewall?.drops({ ...packet, state: 'invalid' }, HOOKS, [TABLE]);
    if (!drop || packet.protocol !== 'tcp' || this.#number('net/netfilter/nf_conntrack_tcp_loose') !== 0) return;
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

  #placesOf({ text }: Address): OwnAddress[] {
    return this.#seen.addresses.filter(({ address }) => address.text === text);
  }

  /** Nobody is told of an address there, nor answered about it. */
  #isSilent({ device }: OwnAddress): boolean {
    return device === 'lo' || SILENT_KINDS.includes(this.#seen.links.get(device)?.kind ?? '');
  }

  #ownAddress(family: Family): OwnAddress | undefined {
    const wanted = serverAddress(this.#server, family);
    return wanted && this.#seen.addresses.find(({ address }) => address.text === wanted.text);
  }

  #deviceTowards(router: string): string {
    const way = [...this.#seen.waysOut.values()].find(({ via }) => via?.text === router);
    return way?.device ?? [...this.#seen.gateways].find(([, { text }]) => text === router)?.[0].split(' ')[0] ?? '';
  }

  #number(key: string): number | undefined {
    const value = this.#seen.sysctls.get(key);
    return value === undefined ? undefined : Number(value);
  }
}

/** What a client sends to the service, as it comes in. */
function arriving({ ghost, protocol, port }: Place, incoming: string): Packet {
  const { family } = ghost;
  return { family, protocol, incoming, destination: ghost, destinationPort: port, mark: 0, state: 'new' };
}
