import { type Address, type Family, addressFromBytes, formatPrefix, maskAddress, prefixHolds } from '../net/address.ts';
import {
  type Environment,
  type InterfaceAddress,
  type LinkState,
  type Listener,
  resolveDevice,
} from './environment.ts';
import { Findings } from './findings.ts';
import { followedGhosts, interfaceOf, namesOfInterfaces } from './ghost-interface.ts';
import {
  type Model,
  type Server,
  type Service,
  type Watchdog,
  isFlooded,
  isRouted,
  isTranslated,
  serverAddress,
} from './model.ts';
import type { Positions } from './positions.ts';
import type { Problem } from './problem.ts';
import { sectionLabel } from './uci.ts';

/** What a router has against a configuration. */
export interface EnvironmentCheck {
  /** All of it, by line; errors are about services that are refused. */
  readonly problems: readonly Problem[];
  /** Names of the services that must not be run on this router. */
  readonly refused: ReadonlySet<string>;
}

/**
 * Checks a configuration against the router as it is at this moment. What may change by itself (a device that is absent or
 * down, an address that is not there) is a warning. `positions` come with the model from `loadConfiguration`; services that
 * follow an interface have its addresses already (`followInterfaces`). Pure.
 */
export function checkEnvironment(model: Model, environment: Environment, positions: Positions): EnvironmentCheck {
  const checker = new EnvironmentChecker(environment, positions);
  for (const service of model.services) checker.check(service, model.services);
  for (const watchdog of model.watchdogs) checker.checkWatchdog(watchdog, model.services);
  return checker.result();
}

class EnvironmentChecker {
  readonly #environment: Environment;
  readonly #positions: Positions;
  readonly #findings: Findings;
  readonly #refused = new Set<string>();
  /** Servers that have been checked on a device: services share them, and one warning is enough. */
  readonly #seen = new Set<string>();

  constructor(environment: Environment, positions: Positions) {
    this.#environment = environment;
    this.#positions = positions;
    this.#findings = new Findings(positions.file);
  }

  result(): EnvironmentCheck {
    const problems = [...this.#findings.problems].sort((a, b) => a.line - b.line);
    return { problems, refused: this.#refused };
  }

  check(service: Service, services: readonly Service[]): void {
    const section = sectionLabel({ type: 'service', name: service.name });
    if (service.ghostInterfaces) this.#checkInterfaces(service, section, services);
    for (const ghost of service.ghosts) this.#checkGhost(service, section, ghost);
    for (const second of service.ghost2) this.#checkSecondGhost(service, section, second);
    for (const source of service.sources) this.#checkDevice(section, 'source', source);
    const link = this.#checkDevice(section, 'device', service.device);
    if (!link) return;
    if (isFlooded(service)) this.#checkFlooding(service, section, link);
    else if (isRouted(service) && link.hardware === undefined) {
      this.#findings.warning(
        this.#positions.place(section, 'device'),
        `'${link.name}' has no Ethernet header, so its one peer would get every packet, whichever server was picked`,
        'a device with Ethernet headers',
      );
    }
    for (const server of service.servers) {
      for (const family of [4, 6] as const) this.#checkServer(service, server, family, link.name);
    }
  }

  /** From its own address this router takes only what the services there say (`guardOwnAddress`). */
  checkWatchdog({ name, check, services: names }: Watchdog, services: readonly Service[]): void {
    if ((check.type !== 'tcp' && check.type !== 'http') || check.port === undefined) return;
    const { port } = check;
    const watched = services.filter((service) => names.length === 0 || names.includes(service.name));
    for (const service of watched) {
      const ghost = isRouted(service) && service.ghosts.find((address) => this.#ownAddress(address));
      if (!ghost || hasPort(service, port)) continue;
      this.#findings.warning(
        this.#positions.place(sectionLabel({ type: 'watchdog', name }), 'port'),
        `'${port}' is no port of service '${service.name}', whose ghost address '${ghost.text}' is this router's own: servers' answers from there do not get through, so that they would be taken for dead`,
        'a port of the service, or none for its first',
      );
    }
  }

  #checkInterfaces(service: Service, section: string, services: readonly Service[]): void {
    const names = service.ghostInterfaces ?? [];
    const links = names.map((name) => this.#checkDevice(section, 'ghost_interface', name));
    const others = services.filter((other) => other !== service);
    const { withheld } = followedGhosts(service, others, this.#environment);
    const placeOf = (address: Address) =>
      this.#positions.place(section, 'ghost_interface', interfaceOf(service, address, this.#environment));
    for (const { address, owner } of withheld) {
      this.#findings.warning(
        placeOf(address),
        `'${address.text}' is a ghost address of service '${owner.name}' already, and stays with that`,
        'other ports or another protocol here, or another dispatch there',
      );
    }
    if (service.ghosts.length > 0 || withheld.length > 0 || links.every((link) => !link)) return;
    this.#findings.warning(
      this.#positions.place(section, 'ghost_interface', names[0]),
      `${namesOfInterfaces(service)} has no address at the moment of a family in which a server has one, so that the service waits for it`,
    );
  }

  #checkGhost(service: Service, section: string, ghost: Address): void {
    const followed = interfaceOf(service, ghost, this.#environment);
    const place =
      followed === undefined
        ? this.#positions.place(section, 'ghost', ghost.text)
        : this.#positions.place(section, 'ghost_interface', followed);
    const reserved = this.#whyReserved(ghost);
    if (reserved !== undefined) {
      this.#refused.add(service.name);
      this.#findings.error(place, `'${ghost.text}' is ${reserved}`, 'an address that a host could have');
      return;
    }
    const own = this.#ownAddress(ghost);
    if (!own) return;
    if (isFlooded(service)) {
      this.#refused.add(service.name);
      this.#findings.error(
        place,
        `'${ghost.text}' is this router's own address, from which nothing is sent on to servers with dispatch '${service.dispatch}'`,
        "dispatch 'route', or another ghost address",
      );
      return;
    }
    if (service.ports.length === 0) {
      this.#refused.add(service.name);
      this.#findings.error(
        place,
        `'${ghost.text}' is this router's own address, of which a service cannot take every port`,
        "option 'port' with the ports of the service, or another ghost address",
      );
      return;
    }
    for (const listener of this.#environment.listeners) {
      if (!takes(service, ghost, listener)) continue;
      this.#findings.warning(
        place,
        `this router itself listens on ${listener.protocol} port ${listener.port} of '${ghost.text}', where clients will get the service instead`,
      );
    }
    if (!isRouted(service)) return;
    if (own.device === resolveDevice(this.#environment, service.device) && this.#isOnlyAddress(own)) {
      this.#findings.warning(
        place,
        `'${ghost.text}' is this router's only IPv${ghost.family} address on '${own.device}', and servers that carry it cannot use it as their gateway`,
        'a second address for one of both purposes',
      );
    }
  }

  /** What keeps frames to all servers from reaching them, or makes them a burden for others. */
  #checkFlooding(service: Service, section: string, link: LinkState): void {
    const { links, wireless } = this.#environment;
    const place = this.#positions.place(section, 'device');
    const refuse = (message: string, accepted: string): void => {
      this.#refused.add(service.name);
      this.#findings.error(place, message, accepted);
    };
    if (link.hardware === undefined) {
      refuse(
        `'${link.name}' has no Ethernet addresses, so that no frame on it goes to all servers`,
        "dispatch 'route'",
      );
      return;
    }
    const ports = [...links.values()].filter(({ masterIndex }) => masterIndex === link.ifindex);
    const radio = [link, ...ports].find(({ name }) => wireless?.has(name));
    if (radio) {
      refuse(
        `${radio === link ? `'${link.name}' is Wi-Fi` : `'${radio.name}', a port of '${link.name}', is Wi-Fi`}, which sends frames to all at its lowest rate, and never again where they are lost`,
        "dispatch 'route', or a device of its own for the servers",
      );
    }
    const grouped = service.dispatch === 'multicast' ? 'its packets are' : 'its IPv6 packets are';
    const isGrouped = service.dispatch === 'multicast' || service.ghosts.some(({ family }) => family === 6);
    if (!isGrouped || !link.snooping || ports.some(({ multicastRouter }) => multicastRouter)) return;
    this.#findings.warning(
      place,
      `'${link.name}' listens to who joins groups (multicast snooping), and ${grouped} in none that it knows: once there is a querier, servers get nothing`,
      "snooping off (option igmp_snooping '0'), or the servers' ports as multicast routers (bridge link set dev PORT mcast_router 2)",
    );
  }

  #checkSecondGhost(service: Service, section: string, second: Address): void {
    const reserved = this.#ownAddress(second) ? "this router's own address" : this.#whyReserved(second);
    if (reserved === undefined) return;
    this.#refused.add(service.name);
    this.#findings.error(
      this.#positions.place(section, 'ghost2', second.text),
      `'${second.text}' is ${reserved}`,
      "a free address of the servers' subnet, or none for one that is chosen",
    );
  }

  /** The device behind a name, where it is there. */
  #checkDevice(section: string, option: string, name: string): LinkState | undefined {
    const { interfaces, links } = this.#environment;
    const resolved = resolveDevice(this.#environment, name);
    const place = this.#positions.place(section, option, name);
    const link = links.get(resolved);
    if (!link) {
      this.#findings.warning(
        place,
        interfaces.has(name)
          ? `'${name}' is on device '${resolved}', which is not there at the moment`
          : `'${name}' is neither a logical interface that is up nor a device at the moment`,
      );
      return undefined;
    }
    if (!link.up) this.#findings.warning(place, `'${link.name}' is down at the moment`);
    const bridge = [...links.values()].find(({ ifindex, kind }) => ifindex === link.masterIndex && kind === 'bridge');
    if (bridge) {
      this.#findings.warning(
        place,
        `'${link.name}' is a port of the bridge '${bridge.name}' and has no packets of its own`,
        `'${bridge.name}'`,
      );
    }
    return link;
  }

  #checkServer(service: Service, server: Server, family: Family, device: string): void {
    const address = serverAddress(server, family);
    const key = `${server.name} ${family} ${device}`;
    if (!address || !service.ghosts.some((ghost) => ghost.family === family) || this.#seen.has(key)) return;
    this.#seen.add(key);
    const option = family === 4 ? 'address' : 'address6';
    const place = this.#positions.place(sectionLabel({ type: 'server', name: server.name }), option);
    const { addresses } = this.#environment;
    const reserved = addresses.some((own) => own.address.text === address.text)
      ? "this router's own address"
      : this.#whyReserved(address);
    if (reserved !== undefined) {
      this.#findings.warning(
        place,
        `'${address.text}' is ${reserved}, so that clients given to this server are lost`,
        "the server's own address",
      );
      return;
    }
    // What is translated goes wherever the router has a route to.
    if (isTranslated(service)) return;
    const local = addresses.filter((own) => own.device === device && own.address.family === family);
    if (local.some((own) => prefixHolds(connectedPrefix(own), address))) return;
    const subnets = local.filter((own) => !isLinkLocal(own.address)).map((own) => formatPrefix(connectedPrefix(own)));
    this.#findings.warning(
      place,
      subnets.length === 0
        ? `'${address.text}' is out of reach, since '${device}' has no IPv${family} address at the moment`
        : `'${address.text}' is not on '${device}', which has ${subnets.join(', ')}: nobody there answers for it`,
      'an address in a subnet of the device on which the service has its servers',
    );
  }

  /** What keeps an IPv4 address from being a host's on a subnet of ours (RFC 1122 §3.2.1.3). */
  #whyReserved(address: Address): string | undefined {
    for (const own of this.#environment.addresses) {
      if (own.address.family === 6 || own.prefixLength > 30) continue;
      const subnet = connectedPrefix(own);
      const where = `of ${formatPrefix(subnet)} on '${own.device}'`;
      if (lastAddress(own).text === address.text) return `the broadcast address ${where}`;
      if (subnet.address.text === address.text) return `the network address ${where}`;
    }
    return undefined;
  }

  /** Where the router itself has the address. */
  #ownAddress({ text }: Address): InterfaceAddress | undefined {
    return this.#environment.addresses.find(({ address }) => address.text === text);
  }

  #isOnlyAddress(own: InterfaceAddress): boolean {
    return !this.#environment.addresses.some(
      (other) =>
        other.device === own.device &&
        other.address.family === own.address.family &&
        other.address.text !== own.address.text,
    );
  }
}

function takes(service: Service, ghost: Address, listener: Listener): boolean {
  const { address, protocol, port } = listener;
  return (
    (address === 'any' || address.text === ghost.text) && service.protocols.includes(protocol) && hasPort(service, port)
  );
}

function hasPort({ ports }: Service, port: number): boolean {
  return ports.some(({ first, last }) => first <= port && port <= last);
}

function connectedPrefix(own: InterfaceAddress): ReturnType<typeof maskAddress> {
  return maskAddress(own.peer ?? own.address, own.prefixLength);
}

function lastAddress(own: InterfaceAddress): Address {
  const { address, length } = connectedPrefix(own);
  return addressFromBytes(
    address.bytes.map((byte, index) => byte | (0xff >> Math.min(8, Math.max(0, length - index * 8)))),
  );
}

function isLinkLocal(address: Address): boolean {
  return address.family === 6 && address.text.startsWith('fe80:');
}
