import type { Address, Family, Prefix } from '../net/address.ts';

/** What a checked configuration means: the input of everything that follows. Names are unique and in file order. */
export interface Model {
  readonly globals: Globals;
  readonly services: readonly Service[];
  /** Health checks that are enabled, in file order. */
  readonly watchdogs: readonly Watchdog[];
}

export interface Globals {
  readonly enabled: boolean;
  /** First firewall mark that the slow path may use; server number n gets `markBase + n`. */
  readonly markBase: number;
  /** First routing table that the slow path may use; server number n gets `tableBase + n`. */
  readonly tableBase: number;
  /** Preference of the policy routing rule (`ip rule`) that leads to those of the slow path, 1–32765. */
  readonly rulePriority: number;
  /** Secret of the channel between router and servers, 16–128 printable ASCII characters; absent: there is none. */
  readonly key?: string;
  /** UDP port of that channel. */
  readonly channelPort: number;
  readonly loadScript?: LoadScriptOptions;
  /** The fast path hands packets to the servers' bridge ports. */
  readonly bridgeBypass: boolean;
}

/** A program on the servers that tells a number for their load. */
export interface LoadScriptOptions {
  /** Absolute. */
  readonly path: string;
  /** Milliseconds between two runs. */
  readonly interval: number;
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

/**
 * How packets get to the servers: to the one that they are for, unmodified (O2) or with its address in the ghost's place (`nat`),
 * or to all of them by broadcast (O4) or in a group (S2).
 */
export type Dispatch = 'route' | 'broadcast' | 'multicast' | 'nat';

/** What picks the server of a new connection: a hash of the client, turns, chance (C2), or chance by shares that follow the load (D8). */
export type Scheduler = 'hash' | 'round_robin' | 'random' | 'least';

/** How connections are translated, with `dispatch` `nat`. */
export interface Translation {
  readonly scheduler: Scheduler;
  /** True: servers see the router as the client, so that what they answer comes back to it. */
  readonly masquerade: boolean;
}

/** How connections are placed one by one, with `dispatch` `route` and another scheduler than the hash (D2). */
export interface Placement {
  readonly scheduler: Exclude<Scheduler, 'hash'>;
  /** Connections of a family that are remembered at most, 256–1048576. */
  readonly limit: number;
  /** Milliseconds from its last packet on that an open TCP connection is remembered. */
  readonly timeout: number;
}

export interface Service {
  /** `[a-z0-9_]+`, the section's name. */
  readonly name: string;
  /** As configured, and, once `followInterfaces` has looked at the router, the addresses of `ghostInterfaces`. */
  readonly ghosts: readonly Address[];
  /** With `nat`: logical interfaces or devices whose addresses are ghosts, whichever they have; absent: none. */
  readonly ghostInterfaces?: readonly string[];
  /** Addresses that those had before, and of which connections may still be tracked; absent: none. */
  readonly formerGhosts?: readonly Address[];
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
  readonly dispatch: Dispatch;
  /** With `nat`, and only then. */
  readonly translation?: Translation;
  /** With `route`, where it is not the hash that picks servers. */
  readonly placement?: Placement;
  /** Second ghost addresses as configured, at most one of a family; what is missing is chosen. Empty with `dispatch` `route`. */
  readonly ghost2: readonly Address[];
  /** With `route`: a server passes segments of connections that it does not know to the other servers, once. */
  readonly secondChance: boolean;
  /** What becomes of open connections when slots move between live servers: they stay where they are, or get a RST (S3). */
  readonly onChange: 'keep' | 'reset';
  /** What a dead server's connections get with their next segment: the new server's own RST, one from the router, or silence. */
  readonly onFailure: 'pass' | 'reset' | 'drop';
  /** What clients get while no server is up: packets go on to all of them, or an ICMP error comes back. */
  readonly allDown: 'keep' | 'reject';
  /** The load of the servers shapes who has which slots; absent: weights alone do. */
  readonly adapt?: true;
  /** Milliseconds after which connections are no longer kept where a change found them. */
  readonly drainTimeout: number;
  /** Milliseconds without a packet of an old connection after which a server is taken to have none left. */
  readonly idleTimeout: number;
  /** Milliseconds after a change during which unknown UDP flows are taken for old ones. */
  readonly learnTime: number;
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
  /** Port of its own, with `nat`, where that is not the service's; 1–65535. */
  readonly port?: number;
}

/** A health check, and whom it is for. */
export interface Watchdog {
  /** `[a-z0-9_]+`, the section's name. */
  readonly name: string;
  readonly check: Check;
  /** Milliseconds from one probe to the next, 50–3600000. */
  readonly interval: number;
  /** Milliseconds until a probe without an answer has failed, 50–60000. */
  readonly timeout: number;
  /** Successful probes in a row that bring a server back, 1–100. */
  readonly rise: number;
  /** Failed probes in a row that take it out, 1–100. */
  readonly fall: number;
  /** Services that it is for; empty = all. */
  readonly services: readonly string[];
  /** Servers that it is for; empty = all of the services. */
  readonly servers: readonly string[];
  /** Milliseconds in which the penalty of a flapping server halves; 0 = no damping. */
  readonly halfLife: number;
}

/** How a server is asked. */
export type Check =
  | { readonly type: 'ping' }
  | { readonly type: 'arp' }
  | { readonly type: 'tcp'; readonly port?: number }
  | HttpCheck
  | { readonly type: 'script'; readonly path: string }
  /** The server tells by itself, over the channel. */
  | { readonly type: 'report' }
  /** Nobody is asked: results come as ubus events, and each holds for `ttl` milliseconds. */
  | { readonly type: 'ubus'; readonly ttl: number };

export interface HttpCheck {
  readonly type: 'http';
  /** Absent: the first TCP port of the service. */
  readonly port?: number;
  /** Begins with `/`. */
  readonly path: string;
  /** Content of the `Host` header; absent: the ghost address. */
  readonly host?: string;
  /** Accepted status codes. */
  readonly status: readonly PortRange[];
  /** `Name: text`: a header of the answer that must hold the text (in any case). */
  readonly header?: string;
  /** Text that the answer's body must hold, within its first 64 KiB. */
  readonly body?: string;
}

/** The server's own (primary) address of a family, if it has one. */
export function serverAddress(server: Server, family: Family): Address | undefined {
  return family === 4 ? server.address : server.address6;
}

/** True where every server gets every packet, and drops what is not its own. */
export function isFlooded({ dispatch }: Pick<Service, 'dispatch'>): boolean {
  return dispatch === 'broadcast' || dispatch === 'multicast';
}

/** True where connections are tracked, and the server's address takes the ghost's place in their packets. */
export function isTranslated({ dispatch }: Pick<Service, 'dispatch'>): boolean {
  return dispatch === 'nat';
}

/** True where the kernel remembers of each connection which server has it. */
export function isRemembered(service: Pick<Service, 'dispatch' | 'placement'>): boolean {
  return isTranslated(service) || service.placement !== undefined;
}

/** True where each packet goes to one server, as it is. */
export function isRouted({ dispatch }: Pick<Service, 'dispatch'>): boolean {
  return dispatch === 'route';
}

/** The port by which `tcp` and `http` ask for a service: its first, where it takes TCP on named ports. */
export function firstTcpPort({ protocols, ports }: Pick<Service, 'protocols' | 'ports'>): number | undefined {
  return protocols.includes('tcp') ? ports[0]?.first : undefined;
}
