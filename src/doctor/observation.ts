import type { InterfaceAddress, LinkState, Listener } from '../config/environment.ts';
import type { Service } from '../config/model.ts';
import type { Address, Family } from '../net/address.ts';
import { transports } from '../ruleset/traffic.ts';

// What is looked at, so that it can be judged without a network.

/** An address of this machine with its state (`IFA_FLAGS`). */
export interface OwnAddress extends InterfaceAddress {
  /** IPv6: it is not known yet whether somebody else has it, and until then it is not used. */
  readonly tentative: boolean;
  /** IPv6: somebody else has it, so that it never will be. */
  readonly duplicate: boolean;
}

/** How packets leave: what the kernel answers to `ip route get`. */
export interface WayOut {
  /** Name of the device. */
  readonly device: string;
  /** Next hop; absent where the destination is on the link. */
  readonly via?: Address;
}

/** How large a packet gets there and back, by ICMP echo that must not be fragmented. */
export interface PathMtu {
  /** False where not even small packets are answered: then nothing is known. */
  readonly answers: boolean;
  /** MTU of the device, bytes of the IP packet. */
  readonly expected: number;
  /** Largest packet that was answered, bytes; `expected` where all is well. */
  readonly largest: number;
}

/** What came of connecting to a port of a ghost by the machine itself. */
export type LocalAnswer = 'connected' | 'refused' | 'silent';

/** A socket that waits for clients, with the family that it is of: `any` is then all addresses of that family. */
export interface FamilyListener extends Listener {
  readonly family: Family;
}

/** A port of a service on one of its ghosts. */
export interface Place {
  readonly ghost: Address;
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
}

/** Ports of a service that are looked at one by one: those that the configuration names singly. */
const MOST_PORTS = 32;

/** The ports of a service that must be listened on. Of ranges, a program may use what it needs. */
export function placesOf(service: Service, ghost: Address): Place[] {
  const single = service.ports.filter(({ first, last }) => first === last).slice(0, MOST_PORTS);
  return single.flatMap(({ first: port }) => transports(service).map((protocol) => ({ ghost, protocol, port })));
}

/** `192.0.2.1 tcp 80`: what an observation of a place is found by. */
export function placeKey({ ghost, protocol, port }: Place): string {
  return `${ghost.text} ${protocol} ${port}`;
}

/** The server that this machine is, as its own kernel tells of it. */
export interface ServerObservation {
  readonly links: ReadonlyMap<string, LinkState>;
  readonly addresses: readonly OwnAddress[];
  /** Values by path below `/proc/sys`; what is not there is absent. */
  readonly sysctls: ReadonlyMap<string, string>;
  readonly listeners: readonly FamilyListener[];
  /** By `placeKey`, for TCP, where the ghost is there. */
  readonly local: ReadonlyMap<string, LocalAnswer>;
  /** By ghost: the way of its packets to a client somewhere in the world; absent where there is none. */
  readonly waysOut: ReadonlyMap<string, WayOut>;
  /** Routers on the device of the server's own address, by `DEVICE FAMILY`: next hops of routes, and those that say so (RFC 4861). */
  readonly gateways: ReadonlyMap<string, Address>;
  /** By address of the next hop. */
  readonly paths: ReadonlyMap<string, PathMtu>;
  /** The listing of nft; absent where there is none to be had. */
  readonly ruleset?: string;
  /** Tables that nft does not list: `ip filter`. */
  readonly legacyTables: readonly string[];
  /** By address of the next hop: milliseconds by which the router's clock is ahead of ours. */
  readonly clocks: ReadonlyMap<string, number>;
}

/** An address of this machine, on whichever device. */
export function findAddress(
  { addresses }: Pick<ServerObservation, 'addresses'>,
  { text }: Address,
): OwnAddress | undefined {
  return addresses.find(({ address }) => address.text === text);
}

/** A sysctl's value as a number; `undefined` where there is none. */
export function numberAt(sysctls: ReadonlyMap<string, string>, key: string): number | undefined {
  const value = sysctls.get(key);
  return value === undefined ? undefined : Number(value);
}
