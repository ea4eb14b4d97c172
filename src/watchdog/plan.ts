import type { Check, Watchdog } from '../config/model.ts';
import type { DeployedService } from '../deployment/deployment.ts';
import type { ProbeTarget } from './prober.ts';

/** What a plan needs of a service on this router. */
export type WatchedService = Pick<DeployedService, 'service' | 'device' | 'servers'>;

/** A server of a service: what a verdict is about. */
export interface Subject {
  readonly service: string;
  readonly server: string;
  /** Name of the device on which the server lives. */
  readonly device: string;
  /** Milliseconds in which the penalty for coming and going halves; 0 = no damping. */
  readonly halfLife: number;
  /** Milliseconds that a report holds which does not say it. */
  readonly reportTtl: number;
}

/** Results of a probe as one watchdog counts them. */
export interface PlannedCounter {
  /** Name of the watchdog. */
  readonly watchdog: string;
  readonly rise: number;
  readonly fall: number;
  /** Servers of services that are down while this counter says so. */
  readonly subjects: readonly Subject[];
}

/** One question to one server, however many services and watchdogs want its answer. */
export interface PlannedProbe {
  /** Equal for the same question to the same server: what is known of it stays through a reload. */
  readonly key: string;
  readonly check: Check;
  readonly target: ProbeTarget;
  /** Milliseconds. */
  readonly interval: number;
  /** Milliseconds. */
  readonly timeout: number;
  readonly counters: readonly PlannedCounter[];
}

export interface ProbePlan {
  /** Every server of every service, watched or not. */
  readonly subjects: readonly Subject[];
  readonly probes: readonly PlannedProbe[];
}

/**
 * Whom to ask what. A server is asked for every ghost address of a family in which it has an address; `arp` asks for its
 * own address, once for each family. `tcp` and `http` ask nobody where neither watchdog nor service names a TCP port.
 */
export function planProbes(
  services: readonly WatchedService[],
  watchdogs: readonly Watchdog[],
  markBase: number,
): ProbePlan {
  throw new Error(`not planned: ${services.length} ${watchdogs.length} ${markBase}`);
}
