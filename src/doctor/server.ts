import { channelsOf } from '../channel/place.ts';
import { type Model, type Server, isFlooded, serverAddress } from '../config/model.ts';
import type { Configuration } from '../config/validate.ts';
import { type Address, type Family, maskAddress, prefixHolds } from '../net/address.ts';
import type { Identity } from '../server/identity.ts';
import { type ChannelEnd, examineChannels } from './channel.ts';
import { Firewall, unseenTables } from './firewall.ts';
import {
  type Diagnosis,
  type Finding,
  configurationFinding,
  mendBy,
  mendByHand,
  sortFindings,
  sysctlCommand,
} from './finding.ts';
import { type OwnAddress, type ServerObservation, findAddress, numberAt } from './observation.ts';
import { ServiceExaminer } from './server-services.ts';

/** Milliseconds by which clocks may differ before logs can no longer be read side by side. */
const CLOCK_TOLERANCE = 5000;
/** Devices on which nobody asks for addresses: what is on them is never answered for. */
const SILENT_KINDS = ['dummy'];

/** What keeps a server from answering for its ghosts, or makes it answer where it must not. Pure. */
export function examineServer(
  { server, services }: Identity,
  seen: ServerObservation,
  { model, problems }: Pick<Configuration, 'model' | 'problems'>,
): Diagnosis {
  const examiner = new ServerExaminer(server, seen, model.globals.tableBase);
  const ghosts = new Map(services.flatMap((service) => service.ghosts.map((ghost) => [ghost.text, ghost] as const)));
  for (const ghost of ghosts.values()) examiner.examineGhost(ghost);
  examiner.examineRouter();
  const firewall = seen.ruleset === undefined ? undefined : new Firewall(seen.ruleset);
  if (!firewall) examiner.unknown.add('the firewall was not looked at, since nft cannot list it here');
  for (const unknown of unseenTables(seen.legacyTables)) examiner.unknown.add(unknown);
  const programs = new ServiceExaminer(server, seen, firewall);
  for (const service of services) {
    for (const ghost of service.ghosts) programs.examine(service, ghost);
    if (isFlooded(service)) programs.examineFlood(service);
  }
  const channels = channelsHere({ server, services }, seen, model);
  const silenced = firewall ? examineChannels(channels, firewall, 'the router says to this server') : [];
  // Warnings are about what the router has to do with it.
  const errors = problems.filter(({ severity }) => severity === 'error').map(configurationFinding);
  return {
    findings: sortFindings([...errors, ...examiner.findings, ...programs.findings, ...silenced]),
    unknown: [...examiner.unknown],
  };
}

/** Where the server hears the router. */
function channelsHere({ server, services }: Identity, seen: ServerObservation, model: Model): ChannelEnd[] {
  const names = new Set(services.map(({ name }) => name));
  return [...channelsOf(model).values()].flatMap(({ services: shared, family }) => {
    const own = serverAddress(server, family);
    const device = own && findAddress(seen, own)?.device;
    if (device === undefined || !shared.some(({ name }) => names.has(name))) return [];
    return [{ device, family, port: model.globals.channelPort }];
  });
}

class ServerExaminer {
  readonly findings: Finding[] = [];
  readonly unknown = new Set<string>();
  readonly #server: Server;
  readonly #seen: ServerObservation;
  readonly #tableBase: number;

  constructor(server: Server, seen: ServerObservation, tableBase: number) {
    this.#server = server;
    this.#seen = seen;
    this.#tableBase = tableBase;
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
    if (own.duplicate) {
      this.findings.push({
        id: 'own-address',
        severity: 'error',
        what: `${own.address.text}, by which the router knows the server '${this.#server.name}', is on ${own.device}, where somebody else has it too (dadfailed)`,
        why: 'This machine does not use it, and what is for the server goes to the other one.',
        advice:
          "Take it from the other machine, or give this one another, and correct option 'address6' of the server.",
      });
    }
    if (ghost.family === 4) this.#examineArp(ghost, own);
    if (isThere) this.#examineWayOut(ghost, own);
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
    const values = ['all', device].map((scope) => numberAt(this.#seen.sysctls, `net/ipv4/conf/${scope}/${name}`) ?? 0);
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
      ...['all', own.device].map((scope) => numberAt(this.#seen.sysctls, `net/ipv4/conf/${scope}/rp_filter`) ?? 0),
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

  #placesOf({ text }: Address): OwnAddress[] {
    return this.#seen.addresses.filter(({ address }) => address.text === text);
  }

  /** Nobody is told of an address there, nor answered about it. */
  #isSilent({ device }: OwnAddress): boolean {
    return device === 'lo' || SILENT_KINDS.includes(this.#seen.links.get(device)?.kind ?? '');
  }

  #ownAddress(family: Family): OwnAddress | undefined {
    const wanted = serverAddress(this.#server, family);
    return wanted && findAddress(this.#seen, wanted);
  }

  #deviceTowards(router: string): string {
    const way = [...this.#seen.waysOut.values()].find(({ via }) => via?.text === router);
    return way?.device ?? [...this.#seen.gateways].find(([, { text }]) => text === router)?.[0].split(' ')[0] ?? '';
  }
}
