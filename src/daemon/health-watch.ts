import type { Deployment } from '../deployment/deployment.ts';
import type { Failure } from '../membership/failures.ts';
import type { Opinion } from '../membership/members.ts';
import type { Family } from '../net/address.ts';
import { HealthMonitor } from '../watchdog/monitor.ts';
import type { Change, HealthReport, Probe } from '../watchdog/monitor.ts';
import { planProbes } from '../watchdog/plan.ts';
import type { Prober } from '../watchdog/prober.ts';
import type { EvidenceSource, Health } from '../watchdog/watchdog.ts';
import type { Watchdog } from '../config/model.ts';

/** What the watch needs of the world. */
export interface HealthWatchOptions {
  readonly prober: Prober;
  /** Milliseconds of a clock that only goes forward. */
  readonly clock: () => number;
  readonly startTimer: (callback: () => void, delay: number) => { cancel(): void };
  /** Called when a server has gone up or down. */
  readonly changed: (changes: readonly Change[]) => void;
}

/** Watches the servers: starts the probes when they are due, and tells their results and other evidence to the judge. */
export class HealthWatch {
  readonly #options: HealthWatchOptions;
  readonly #monitor = new HealthMonitor();
  readonly #running = new Map<Probe, { cancel(): void }>();
  #timer: { cancel(): void } | undefined;
  /** When the timer goes off. */
  #due = Infinity;
  #closed = false;
  /** Servers that had failed before this daemon started, until they are watched. */
  #inherited: readonly Failure[];

  constructor(options: HealthWatchOptions, inherited: readonly Failure[]) {
    this.#options = options;
    this.#inherited = inherited;
  }

  /** Watches these services from now on. What is known of servers that stay stays. */
  configure({ services, markBase }: Deployment, watchdogs: readonly Watchdog[]): void {
    this.#took(this.#monitor.configure(planProbes(services, watchdogs, markBase), this.#options.clock()));
    const inherited = this.#inherited;
    this.#inherited = [];
    for (const { server, device, reason } of inherited) {
      const link = services.find(({ service }) => service.device === device)?.device;
      // As evidence it holds until a probe that is sent from now on passes, which is soon.
      if (link) this.accuse('icmp', server, link.name, `before the restart: ${reason}`);
    }
  }

  opinionOf(service: string, server: string): Opinion {
    const inherited = this.#inherited.find((failure) => failure.server === server);
    if (inherited) return { up: false, reason: `before the restart: ${inherited.reason}` };
    return this.#monitor.verdict(service, server) ?? { up: true, reason: 'not watched' };
  }

  healthOf(service: string, server: string): Health | undefined {
    return this.#monitor.verdict(service, server);
  }

  report(report: HealthReport): void {
    this.#took(this.#monitor.report(report, this.#options.clock()));
  }

  accuse(source: EvidenceSource, server: string, device: string, reason: string, family?: Family): void {
    this.#took(this.#monitor.accuse(source, server, device, reason, this.#options.clock(), family));
  }

  acquit(source: EvidenceSource, server: string, device: string, family?: Family): void {
    this.#took(this.#monitor.acquit(source, server, device, this.#options.clock(), family));
  }

  /** Asks nobody any more. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const probe of this.#running.values()) probe.cancel();
    this.#running.clear();
  }

  #took(changes: readonly Change[]): void {
    this.#arm();
    if (changes.length > 0 && !this.#closed) this.#options.changed(changes);
  }

  #arm(): void {
    const next = this.#monitor.next();
    if (this.#closed || next >= this.#due) return;
    this.#timer?.cancel();
    this.#due = next;
    this.#timer = this.#options.startTimer(() => this.#advance(), Math.max(next - this.#options.clock(), 0));
  }

  #advance(): void {
    this.#due = Infinity;
    const { start, changes } = this.#monitor.advance(this.#options.clock());
    for (const probe of start) {
      const { check, target, timeout } = probe;
      this.#running.set(
        probe,
        this.#options.prober.start(check, target, timeout, (result) => {
          this.#running.delete(probe);
          this.#took(this.#monitor.result(probe, result, this.#options.clock()));
        }),
      );
    }
    this.#took(changes);
  }
}
