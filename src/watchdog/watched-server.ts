import type { Check } from '../config/model.ts';
import type { Family } from '../net/address.ts';
import type { Subject } from './plan.ts';
import type { Standing } from './standing.ts';
import type { EvidenceSource } from './watchdog.ts';

/** What speaks against a server without having asked it. */
export interface Evidence {
  readonly source: EvidenceSource;
  /** Absent: against all that it does. */
  readonly family: Family | undefined;
  readonly reason: string;
  /** Place in the order of all that happened. */
  readonly order: number;
  /** Clock. */
  readonly at: number;
}

/** Milliseconds after which an ICMP error is forgotten where no probe would contradict it. */
const UNWATCHED_HOLD = 10_000;

/** A server on its device, and what speaks against it there in all its services. */
export class WatchedServer {
  readonly name: string;
  readonly device: string;
  readonly addresses: readonly string[];
  /** It as a server of each of its services. */
  standings: Standing[] = [];
  /** Families in which a probe would find ICMP errors to be over. */
  readonly probed = new Set<Family>();
  /** Failures of probes that were begun up to this place in the order of all that happened do not count. */
  excused = 0;
  #evidence: Evidence[] = [];

  constructor({ server, device, addresses }: Subject) {
    this.name = server;
    this.device = device;
    this.addresses = addresses;
  }

  /** Goes on from what was known before a reload. */
  inherit(before: WatchedServer): void {
    this.#evidence = before.#evidence;
    this.excused = before.excused;
  }

  /** True where nothing speaks against it. */
  get clear(): boolean {
    return this.#evidence.length === 0;
  }

  /** The first piece of evidence that concerns clients of these families. */
  against(families: readonly Family[]): Evidence | undefined {
    return this.#evidence.find(({ family }) => family === undefined || families.includes(family));
  }

  /** False where the same was known. */
  accuse(evidence: Evidence): boolean {
    const known = this.#evidence.findIndex(
      ({ source, family }) => source === evidence.source && family === evidence.family,
    );
    if (known < 0) this.#evidence.push(evidence);
    else this.#evidence[known] = evidence;
    return known < 0;
  }

  /** False where it was not known. */
  acquit(source: EvidenceSource, family: Family | undefined): boolean {
    const before = this.#evidence.length;
    this.#keep((evidence) => evidence.source !== source || (family !== undefined && evidence.family !== family));
    return this.#evidence.length < before;
  }

  /** A probe that was begun after `order` was answered. */
  contradict(check: Check, family: Family, order: number): void {
    this.#keep(
      (evidence) =>
        evidence.order > order ||
        (evidence.family !== undefined && evidence.family !== family) ||
        !contradicts(check, evidence.source),
    );
  }

  /** Forgets what nobody else will take back. */
  expire(now: number): void {
    this.#keep((evidence) => now < this.#expiry(evidence));
  }

  /** Clock of the next `expire` that will change something. */
  get expiry(): number {
    return this.#evidence.reduce((earliest, evidence) => Math.min(earliest, this.#expiry(evidence)), Infinity);
  }

  #expiry({ source, family, at }: Evidence): number {
    const watched = family === undefined ? this.probed.size > 0 : this.probed.has(family);
    return source === 'icmp' && !watched ? at + UNWATCHED_HOLD : Infinity;
  }

  #keep(holds: (evidence: Evidence) => boolean): void {
    if (!this.clear) this.#evidence = this.#evidence.filter(holds);
  }
}

/**
 * An answer by ARP shows that the link and the neighbour are there, but not that the server still has the ghost address, and so
 * does a report.
 */
export function contradicts({ type }: Check, source: EvidenceSource): boolean {
  return (type !== 'arp' && type !== 'report') || source !== 'icmp';
}
