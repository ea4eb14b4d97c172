import { loadConfiguration } from '../../src/config/validate.ts';
import type { Model } from '../../src/config/model.ts';
import { type Change, HealthMonitor, type Probe } from '../../src/watchdog/monitor.ts';
import { type ProbePlan, planProbes } from '../../src/watchdog/plan.ts';
import type { ProbeResult } from '../../src/watchdog/prober.ts';

/** The model of a text without errors. */
export function modelOf(uci: string): Model {
  const { model, problems } = loadConfiguration(uci, 'oneip');
  const errors = problems.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new Error(JSON.stringify(errors));
  return model;
}

/** The plan of a text, on a router where every service is deployed; servers are numbered from 1 in each service. */
export function planOf(uci: string): ProbePlan {
  const model = modelOf(uci);
  const services = model.services.map((service) => ({
    service,
    device: { name: service.device, ifindex: 3, mtu: 1500, up: true, hardware: '02:00:00:00:00:02' },
    servers: service.servers.map((server, index) => ({ ...server, number: index + 1 })),
  }));
  return planProbes(services, model.watchdogs, model.globals.markBase);
}

/** One service with two servers and the given sections behind. */
export function web(...watchdogs: readonly string[]): string {
  return `config service 'web'
	list ghost '192.0.2.1'
	list port '80'

config server 'anna'
	list service 'web'
	option address '192.168.1.11'

config server 'bert'
	list service 'web'
	option address '192.168.1.12'
${watchdogs.map((lines, index) => `\nconfig watchdog 'w${index + 1}'\n${lines.replaceAll(/^/gm, '\t')}\n`).join('')}`;
}

/** What a probe gets: an answer after so many milliseconds, or (`undefined`) none until its timeout. */
export type Answer = (Omit<ProbeResult, 'reason'> & { readonly after: number; readonly reason?: string }) | undefined;

export const well: Answer = { passed: true, after: 1 };
export const unwell: Answer = { passed: false, after: 1, reason: 'status 503' };
export const refused: Answer = { passed: false, refused: true, after: 1, reason: 'connection refused' };

interface Started {
  readonly at: number;
  readonly probe: Probe;
}

/** A monitor with a clock and servers that answer. */
export class Drill {
  readonly monitor = new HealthMonitor();
  now: number;
  /** What a server answers. */
  answer: (probe: Probe, at: number) => Answer = () => well;
  readonly started: Started[] = [];
  readonly changes: { readonly at: number; readonly text: string }[] = [];
  readonly #pending: {
    readonly at: number;
    readonly probe: Probe;
    readonly result: ProbeResult;
  }[] = [];

  constructor(uci: string, now = 1000) {
    this.now = now;
    this.configure(uci);
  }

  configure(uci: string): void {
    this.note(this.monitor.configure(planOf(uci), this.now));
  }

  /** Takes down what a call of the monitor changed. */
  note(changes: readonly Change[]): void {
    for (const { service, server, health } of changes) {
      this.changes.push({ at: this.now, text: `${service}/${server} ${health.up ? 'up' : 'down'}: ${health.reason}` });
    }
  }

  /** Lives until the time, that of `until` included. */
  run(until: number): void {
    for (;;) {
      this.#pending.sort((one, other) => one.at - other.at);
      const [ended] = this.#pending;
      const at = Math.max(this.now, Math.min(ended?.at ?? Infinity, this.monitor.next()));
      if (at > until) break;
      this.now = at;
      if (ended && ended.at <= at) {
        this.#pending.shift();
        this.note(this.monitor.result(ended.probe, ended.result, at));
      } else this.#advance();
    }
    this.now = until;
  }

  /** `up: reason`, `down: reason` of a server of the service `web`. */
  verdict(server = 'anna', service = 'web'): string {
    const health = this.monitor.verdict(service, server);
    return health ? `${health.up ? 'up' : 'down'}${health.damped ? ' damped' : ''}: ${health.reason}` : 'unknown';
  }

  #advance(): void {
    const { start, changes } = this.monitor.advance(this.now);
    this.note(changes);
    for (const probe of start) {
      this.started.push({ at: this.now, probe });
      const { after, ...answer } = this.answer(probe, this.now) ?? { passed: false, after: probe.timeout };
      const result = { reason: answer.passed ? 'answered' : 'timed out', ...answer };
      this.#pending.push({ at: this.now + after, probe, result });
    }
  }
}
