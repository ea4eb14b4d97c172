import type { Problem } from '../config/problem.ts';
import type { Deployment } from '../deployment/deployment.ts';
import type { Address, Family } from '../net/address.ts';
import type { Rule } from '../netlink/rule.ts';
import type { NetworkChange } from '../network/diff.ts';
import type { DaemonStatus } from '../service/control.ts';
import type { ChannelEnd } from './channel.ts';
import type { PathMtu } from './observation.ts';

/** The daemon, as far as it can be seen from outside. */
export interface DaemonSight {
  readonly running: boolean;
  /** What it says of itself; absent where it cannot be asked. */
  readonly status?: DaemonStatus;
  /** The configuration that it has in force, without secrets; absent where that is not known. */
  readonly configuration?: string;
}

/** Whom a question about a ghost was put to, and what came of it. */
export interface GhostAnswer {
  readonly ghost: Address;
  /** The server's name; absent where the question went to all of them, and one had to answer. */
  readonly server?: string;
  /** `tcp port 80`, `ping`. */
  readonly check: string;
  readonly passed: boolean;
  /** A few words, see `ProbeResult`. */
  readonly reason: string;
}

/** One of the servers, at one of its addresses. */
export interface ServerSight {
  readonly name: string;
  readonly address: Address;
  readonly device: string;
  /** True where it answers for its own address (ARP, ND). */
  readonly resolves: boolean;
  /** Its MAC address, where it is known. */
  readonly hardware?: string;
  readonly path?: PathMtu;
}

/** Who answers on a device for a ghost, beside this router. */
export interface GhostClaim {
  readonly ghost: Address;
  readonly device: string;
  /** MAC addresses. */
  readonly by: readonly string[];
}

/** Policy routing rules of a family in the kernel's order, and the tables that have a default route. */
export interface RoutingRules {
  readonly family: Family;
  readonly rules: readonly Rule[];
  readonly defaults: ReadonlySet<number>;
}

/** The router, as its own kernel and its servers tell of it. */
export interface RouterObservation {
  /** The configuration's text, without secrets. */
  readonly configuration: string;
  /** What is wrong in it, by itself and on this router. */
  readonly problems: readonly Problem[];
  readonly deployment: Deployment;
  /** By which its servers are heard. */
  readonly channels: readonly ChannelEnd[];
  readonly daemon: DaemonSight;
  /** What the kernel lacks of what the daemon has made outside nftables. */
  readonly lacking: readonly NetworkChange[];
  readonly ruleset?: string;
  /** Tables that nft does not list: `ip filter`. */
  readonly legacyTables: readonly string[];
  /** Text of the firewall's UCI configuration; absent where there is none. */
  readonly firewallConfiguration?: string;
  /** Values by path below `/proc/sys`; what is not there is absent. */
  readonly sysctls: ReadonlyMap<string, string>;
  readonly routing: readonly RoutingRules[];
  readonly servers: readonly ServerSight[];
  readonly claims: readonly GhostClaim[];
  readonly answers: readonly GhostAnswer[];
}
