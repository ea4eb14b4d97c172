import type { Address } from '../net/address.ts';
import { findRouteClash } from './dispatch.ts';
import type { Environment } from './environment.ts';
import { type Model, type Service, serverAddress } from './model.ts';
import { findOverlap } from './overlap.ts';
import { whyUnusable } from './unusable.ts';

/** Why an address of an interface is no ghost of a service that follows it. */
export interface Withheld {
  readonly address: Address;
  readonly owner: Service;
}

/** What a service gets from the interfaces that it follows. */
export interface Followed {
  readonly ghosts: readonly Address[];
  /** Addresses that another service has already. */
  readonly withheld: readonly Withheld[];
}

/**
 * Addresses that an interface has at the moment and that clients can reach. netifd may have several interfaces on a device, of
 * which each has its own; one to which it has given none (`proto none`), or a plain device, has all that are there.
 */
export function addressesOf({ interfaces, interfaceAddresses, addresses }: Environment, name: string): Address[] {
  const device = interfaces.get(name) ?? name;
  const given = interfaces.has(name) ? (interfaceAddresses?.get(name) ?? []) : [];
  return addresses
    .filter((own) => own.device === device)
    .map(({ address }) => address)
    .filter((address) => whyUnusable(address) === undefined)
    .filter(({ text }) => given.length === 0 || given.includes(text));
}

/** The ghosts that a service has by its interfaces, beside `others`, which have theirs already. */
export function followedGhosts(service: Service, others: readonly Service[], environment: Environment): Followed {
  const ghosts = new Map<string, Address>();
  const withheld: Withheld[] = [];
  const known = new Set(service.ghosts.map(({ text }) => text));
  const servers = [...service.servers, ...service.disabled];
  const served = ([4, 6] as const).filter((family) => servers.some((server) => serverAddress(server, family)));
  for (const address of (service.ghostInterfaces ?? []).flatMap((name) => addressesOf(environment, name))) {
    if (!served.includes(address.family) || known.has(address.text)) continue;
    const alone = { ...service, ghosts: [address] };
    const owner = others.find((other) => findOverlap(other, alone) ?? findRouteClash(other, alone, ''));
    if (owner) withheld.push({ address, owner });
    else ghosts.set(address.text, address);
  }
  return { ghosts: [...ghosts.values()], withheld };
}

/**
 * The model with the addresses that interfaces have at the moment as ghosts of the services that follow them; the same object
 * where none does. What another service has by its configuration, or an earlier one follows, stays with that.
 */
export function followInterfaces(model: Model, environment: Environment): Model {
  if (!isFollowing(model)) return model;
  const services = [...model.services];
  for (const [index, service] of services.entries()) {
    if (!service.ghostInterfaces) continue;
    const others = services.filter((other) => other !== service);
    const { ghosts } = followedGhosts(service, others, environment);
    services[index] = { ...service, ghosts: [...service.ghosts, ...ghosts] };
  }
  return { ...model, services };
}

/** True where a service follows an interface. */
export function isFollowing({ services }: Pick<Model, 'services'>): boolean {
  return services.some(({ ghostInterfaces }) => ghostInterfaces !== undefined);
}

/** The interface whose address a ghost of the service is; `undefined` where it is a configured one. */
export function interfaceOf(service: Service, ghost: Address, environment: Environment): string | undefined {
  return service.ghostInterfaces?.find((name) =>
    addressesOf(environment, name).some(({ text }) => text === ghost.text),
  );
}

/** Names of a service's interfaces for messages: `'wan', 'wan6'`. */
export function namesOfInterfaces({ ghostInterfaces = [] }: Service): string {
  return ghostInterfaces.map((name) => `'${name}'`).join(', ');
}
