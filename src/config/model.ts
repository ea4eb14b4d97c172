import type { Address, Family, Prefix } from '../net/address.ts';

/** What a checked configuration means: the input of everything that follows. Names are unique and in file order. */
export interface Model {
  readonly globals: Globals;
  readonly services: readonly Service[];
}

export interface Globals {
  readonly enabled: boolean;
  /** First firewall mark that the slow path may use; server number n gets `markBase + n`. */
  readonly markBase: number;
  /** First routing table that the slow path may use; server number n gets `tableBase + n`. */
  readonly tableBase: number;
  /** Preference of the slow path's policy routing rules (`ip rule`), 1–32765. */
  readonly rulePriority: number;
}

/** Transport protocols that a service takes; `all` is every protocol, ports or none. */
export type ServiceProtocol = 'tcp' | 'udp' | 'all';

/** Ports `first` to `last`, both included, 1–65535. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** What the hash is taken of: the client's address, or its address and both ports (D1). */
export type HashKey = 'source' | 'source_port';

export interface Service {
  /** `[a-z0-9_]+`, the section's name. */
  readonly name: string;
  readonly ghosts: readonly Address[];
  /** Either `['all']`, or `tcp` and `udp` in this order. */
  readonly protocols: readonly ServiceProtocol[];
  /** Sorted, disjoint; empty = all ports. */
  readonly ports: readonly PortRange[];
  /** Devices or logical interfaces where clients arrive. */
  readonly sources: readonly string[];
  /** Device (or logical interface) where the servers live. */
  readonly device: string;
  readonly hash: HashKey;
  /** Leading bits of an IPv6 client address that are hashed, 32–128 in steps of 8. */
  readonly hashPrefix6: number;
  /** Clients that may use the service; empty = all. */
  readonly allow: readonly Prefix[];
  /** Clients that may not; stronger than `allow`. */
  readonly deny: readonly Prefix[];
  /** Entries of the allocation table, a power of two, 256–4096. */
  readonly slots: number;
  /** Seed of the hash, 0–4294967295. */
  readonly seed: number;
  readonly dispatch: 'route';
  /** Servers of the service that are enabled, in file order. */
  readonly servers: readonly Server[];
  /** Servers that are switched off. They keep their place in the allocation, so that it is only their own slots that move. */
  readonly disabled: readonly Server[];
}

export interface Server {
  /** `[a-z0-9_]+`, the section's name. */
  readonly name: string;
  readonly address?: Address;
  readonly address6?: Address;
  /** 0–1000; 0 = no slots. */
  readonly weight: number;
}

/** The server's own (primary) address of a family, if it has one. */
export function serverAddress(server: Server, family: Family): Address | undefined {
  return family === 4 ? server.address : server.address6;
}
