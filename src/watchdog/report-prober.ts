import type { ProbeResult, ProbeTarget } from './prober.ts';

/** What a server says of a service. */
export interface ServiceReport {
  readonly service: string;
  readonly well: boolean;
  readonly reason: string;
}

interface Waiting {
  readonly service: string;
  readonly end: (result: ProbeResult) => void;
}

/** Probes of type `report`: each waits for the next report of its server, and goes by what that says of the service. */
export class ReportProber {
  readonly #startTimer: (callback: () => void, delay: number) => { cancel(): void };
  /** By server. */
  readonly #waiting = new Map<string, Set<Waiting>>();

  constructor(startTimer: (callback: () => void, delay: number) => { cancel(): void }) {
    this.#startTimer = startTimer;
  }

  /** As `Prober.start`. */
  start(
    { server, service }: Pick<ProbeTarget, 'server' | 'service'>,
    timeout: number,
    done: (result: ProbeResult) => void,
  ): { cancel(): void } {
    const waiting = this.#waiting.get(server) ?? new Set<Waiting>();
    this.#waiting.set(server, waiting);
    const cancel = (): void => {
      timer.cancel();
      waiting.delete(entry);
    };
    const end = (result: ProbeResult): void => {
      cancel();
      done(result);
    };
    const timer = this.#startTimer(() => end({ passed: false, reason: 'does not report' }), timeout);
    const entry: Waiting = { service, end };
    waiting.add(entry);
    return { cancel };
  }

  /** A server has reported. */
  heard(server: string, reports: readonly ServiceReport[]): void {
    for (const { service, end } of [...(this.#waiting.get(server) ?? [])]) {
      const told = reports.find((report) => report.service === service);
      if (!told || told.well) end({ passed: true, reason: told?.reason || 'reports' });
      // It says so itself, which no lost packet looks like.
      else end({ passed: false, refused: true, reason: told.reason || 'reports a failure' });
    }
  }
}
