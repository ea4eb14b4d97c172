import type { InterfaceAddress } from '../config/environment.ts';
import type { Model, Server, Service } from '../config/model.ts';

/** The server that this machine is, and what it serves. */
export interface Membership {
  readonly server: Server;
  /** Those that it is in, enabled there or not. */
  readonly services: readonly Service[];
}

/** The server of a name; `undefined` where the configuration has none. */
export function serverNamed({ services }: Model, name: string): Membership | undefined {
  const own = services.filter(({ servers, disabled }) => [...servers, ...disabled].some((one) => one.name === name));
  const server = own.flatMap(({ servers, disabled }) => [...servers, ...disabled]).find((one) => one.name === name);
  return server && { server, services: own };
}

/** The server whose address is one of this machine's own; `undefined` where none is, as on the router. */
export function serverHere(model: Model, addresses: readonly InterfaceAddress[]): Membership | undefined {
  const own = new Set(addresses.map(({ address }) => address.text));
  const all = model.services.flatMap(({ servers, disabled }) => [...servers, ...disabled]);
  const here = all.find(({ address, address6 }) => [address, address6].some((one) => one && own.has(one.text)));
  return here && serverNamed(model, here.name);
}
