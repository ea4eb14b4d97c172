import type { InterfaceAddress } from '../config/environment.ts';
import { type Model, type Server, type Service, isTranslated, serverAddress } from '../config/model.ts';

/** Which of the configuration's servers a machine is. */
export interface Identity {
  readonly server: Server;
  /** Services that it takes part in, switched on there or not, in file order; none while the configuration is switched off. */
  readonly services: readonly Service[];
}

/**
 * Finds out which server a machine is: by the name that it was told, else by its addresses, of which one must be a server's.
 * A text says why it is none.
 */
export function identify(
  { globals, services }: Model,
  name: string | undefined,
  addresses: readonly Pick<InterfaceAddress, 'address'>[],
): Identity | string {
  const membersOf = ({ servers, disabled }: Service) => [...servers, ...disabled];
  const servers = new Map(services.flatMap((service) => membersOf(service).map((one) => [one.name, one] as const)));
  if (servers.size === 0) return 'the configuration has no service with servers';
  if (name !== undefined && !servers.has(name)) {
    return `no server of a service has the name '${name}'; there are ${[...servers.keys()].join(', ')}`;
  }
  const own = new Set(addresses.map(({ address }) => address.text));
  const isOurs = (server: Server) => ownAddresses(server).some(({ text }) => own.has(text));
  const server = name === undefined ? [...servers.values()].find(isOurs) : servers.get(name);
  if (!server) {
    const sought = [...servers.values()].map(
      (one) =>
        `${one.name} (${ownAddresses(one)
          .map(({ text }) => text)
          .join(', ')})`,
    );
    return `none of the servers' addresses is one of this machine: ${sought.join(', ')}; --name says which it is`;
  }
  // Who is spoken to as itself has nothing to set up.
  const taken = services.filter(
    (service) => !isTranslated(service) && membersOf(service).some((one) => one.name === server.name),
  );
  return { server, services: globals.enabled ? taken : [] };
}

/** The server's own addresses, one a family. */
export function ownAddresses(server: Server) {
  return ([4, 6] as const).flatMap((family) => serverAddress(server, family) ?? []);
}
