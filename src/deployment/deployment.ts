import { resolveDevice } from '../config/environment.ts';
import type { Environment, LinkState } from '../config/environment.ts';
import { isFlooded } from '../config/model.ts';
import type { Model, Server, Service } from '../config/model.ts';
import type { Egresses } from '../egress/egress.ts';
import type { Address, Family } from '../net/address.ts';
import type { Transition } from '../transition/transition.ts';
import { claimKey, planFloods } from './flood.ts';
import type { Flood } from './flood.ts';
import { devicesThatAnswer } from './ghost.ts';

/** Tables by family: entry = index into `Service.servers`, or `NOBODY` of the allocation. Families with the same members share one table. */
export type FamilyTables = Readonly<Partial<Record<Family, Uint16Array>>>;

/** The allocation tables of a service. */
export interface SlotTables extends FamilyTables {
  /** What chance picks the servers of new connections from instead, where shares follow the load; of the same families, shared likewise. */
  readonly turns?: FamilyTables;
}

/** What the router tells beside links and addresses. */
export interface Observation {
  readonly environment: Environment;
  /** MAC address by address of the router's neighbours, as far as they are resolved. */
  readonly hardware: ReadonlyMap<string, string>;
  /** Devices on which strict reverse path filtering (RFC 3704 §2.2) is in force. */
  readonly strictReversePath: ReadonlySet<string>;
  /** Addresses on devices (`claimKey`) of which others were found to have them when they were to be second ghost addresses. */
  readonly occupied: ReadonlySet<string>;
  /** Bridge ports by which servers are reached; absent where nobody looked. */
  readonly egresses?: Egresses;
}

/** The services as they run on this router now: names resolved to links, ghosts to what must be done for them. */
export interface Deployment {
  readonly services: readonly DeployedService[];
  readonly observation: Observation;
  readonly markBase: number;
  readonly tableBase: number;
  readonly rulePriority: number;
  /** Bridge ports by which the fast path hands packets to the servers; absent where all of them leave by the servers' device. */
  readonly egresses?: Egresses;
}

export interface DeployedService {
  readonly service: Service;
  /** Where the servers live. */
  readonly device: LinkState;
  /** Where clients arrive; devices that are absent at the moment are left out. */
  readonly sources: readonly LinkState[];
  readonly ghosts: readonly Ghost[];
  readonly servers: readonly DeployedServer[];
  readonly tables: SlotTables;
  /** A change under way whose old connections are kept where they are. */
  readonly transition?: Transition;
}

export interface Ghost {
  readonly address: Address;
  /** Device of the router that carries the ghost as its own address (the one-public-address home). */
  readonly ownedBy?: string;
  /** Links whose connected subnet holds the ghost: there somebody has to answer ARP and ND for it. */
  readonly answeredOn: readonly LinkState[];
  /** How its packets get to all servers, where they shall. */
  readonly flood?: Flood;
}

export interface DeployedServer extends Server {
  /** Number of the server's firewall mark and routing table on the slow path, from 1. */
  readonly number: number;
}

/** Key under which a server has its number: marks and routes belong to a server on a device. */
export function numberKey(device: string, server: Server): string {
  return `${device}/${server.name}`;
}

/**
 * Gives every server on its device a number from 1. Numbers that were given before stay, so that a reload does not move the
 * marks of packets under way; they have a meaning on this router only.
 */
export function numberServers(
  model: Model,
  environment: Environment,
  before: ReadonlyMap<string, number>,
): Map<string, number> {
  const keys = new Set<string>();
  for (const service of model.services) {
    const device = resolveDevice(environment, service.device);
    for (const server of service.servers) keys.add(numberKey(device, server));
  }
  const numbers = new Map([...before].filter(([key]) => keys.has(key)));
  const taken = new Set(numbers.values());
  let next = 1;
  for (const key of keys) {
    if (numbers.has(key)) continue;
    while (taken.has(next)) next++;
    taken.add(next);
    numbers.set(key, next);
  }
  return numbers;
}

/**
 * Resolves a model against the router as it is. Services without their server device at the moment are left out: nothing
 * could be forwarded; the event of the device's return brings them back.
 */
export function deploy(
  model: Model,
  observation: Observation,
  numbers: ReadonlyMap<string, number>,
  tablesOf: (service: Service) => SlotTables,
  transitionOf: (service: Service) => Transition | undefined = () => undefined,
): Deployment {
  const { environment } = observation;
  const services: DeployedService[] = [];
  const floods = planFloods(model.services, environment, observation.occupied);
  for (const service of model.globals.enabled ? model.services : []) {
    const device = environment.links.get(resolveDevice(environment, service.device));
    if (!device) continue;
    const transition = transitionOf(service);
    const sources = service.sources.flatMap((name) => environment.links.get(resolveDevice(environment, name)) ?? []);
    services.push({
      service,
      device,
      sources: [...new Set(sources)],
      ghosts: service.ghosts.map((address) =>
        deployGhost(address, environment, isFlooded(service) ? floods.get(address.text) : undefined),
      ),
      servers: service.servers.map((server) => ({
        ...server,
        number: numbers.get(numberKey(device.name, server)) ?? 0,
      })),
      tables: tablesOf(service),
      ...(transition ? { transition } : {}),
    });
  }
  const { markBase, tableBase, rulePriority, bridgeBypass } = model.globals;
  const { egresses } = observation;
  return {
    ...{ services, observation, markBase, tableBase, rulePriority },
    ...(bridgeBypass && egresses ? { egresses } : {}),
  };
}

/** A second ghost address that was chosen, on a device: others may have it, which has to be asked before it is used. */
export interface Claim {
  readonly device: LinkState;
  readonly address: Address;
}

/** Those of a deployment. */
export function claimsOf({ services }: Deployment): Claim[] {
  const claims = new Map<string, Claim>();
  for (const { device, ghosts } of services) {
    for (const { flood } of ghosts) {
      if (flood?.chosen) claims.set(claimKey(device.name, flood.via), { device, address: flood.via });
    }
  }
  return [...claims.values()];
}

function deployGhost(address: Address, environment: Environment, flood: Flood | undefined): Ghost {
  const own = environment.addresses.find((entry) => entry.address.text === address.text);
  if (own) return { address, ownedBy: own.device, answeredOn: [] };
  return { address, answeredOn: devicesThatAnswer(address, environment), ...(flood ? { flood } : {}) };
}
