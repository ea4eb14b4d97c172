import type { Check } from '../config/model.ts';
import type { ProbePlan } from './plan.ts';
import type { ProbeResult, ProbeTarget } from './prober.ts';
import type { EvidenceSource, Health } from './watchdog.ts';

/** A probe to start now: the arguments of `Prober.start`. The same object through reloads, as long as the probe is planned. */
export interface Probe {
  readonly check: Check;
  readonly target: ProbeTarget;
  /** Milliseconds. */
  readonly timeout: number;
}

/** A verdict that has changed: the server went up or down. */
export interface Change {
  readonly service: string;
  readonly server: string;
  readonly health: Health;
}

/** What the passing of time brings. */
export interface Advance {
  /** Probes to start now; each is told to `result` once, when it has ended. */
  readonly start: readonly Probe[];
  readonly changes: readonly Change[];
}

/** What a program says about a server. */
export interface HealthReport {
  readonly server: string;
  /** Absent: in all its services. */
  readonly service?: string;
  readonly up: boolean;
  readonly reason?: string;
  /** Milliseconds that it holds; absent: what a watchdog of type `ubus` says, else 60000. */
  readonly ttl?: number;
}

/**
 * Judges servers by probes, reports and events. Does nothing by itself: its owner calls `advance` at the time that `next`
 * tells, starts the probes, and brings the results. All times are milliseconds of one clock that never goes back. Every
 * method that takes something in returns the verdicts which that changed; afterwards `next` may be sooner.
 */
export class HealthMonitor {
  /** Takes a plan in place of the one before. What is known of probes and servers that are in both stays. */
  configure(plan: ProbePlan, now: number): readonly Change[] {
    throw new Error(`${plan.probes.length} ${now}`);
  }

  /** When `advance` is to be called again; `Infinity`: only after another call. */
  next(): number {
    throw new Error('');
  }

  /** Lets time pass. Turns that were missed are not made up for. */
  advance(now: number): Advance {
    throw new Error(`${now}`);
  }

  /** A probe has ended. Ignored where it is no longer planned. */
  result(probe: Probe, result: ProbeResult, now: number): readonly Change[] {
    throw new Error(`${String(probe)} ${String(result)} ${now}`);
  }

  /** Somebody knows how a server is. Ignored where the server is unknown. */
  report(report: HealthReport, now: number): readonly Change[] {
    throw new Error(`${String(report)} ${now}`);
  }

  /** Something speaks against a server on a device, in all services that have it there: it is down at once. */
  accuse(source: EvidenceSource, server: string, device: string, reason: string, now: number): readonly Change[] {
    throw new Error(`${source} ${server} ${device} ${reason} ${now}`);
  }

  /** What a source had against a server no longer holds. */
  acquit(source: EvidenceSource, server: string, device: string, now: number): readonly Change[] {
    throw new Error(`${source} ${server} ${device} ${now}`);
  }

  /** As of the last call; `undefined` where the service has no such server. */
  verdict(service: string, server: string): Health | undefined {
    throw new Error(`${service} ${server}`);
  }
}
