import type {
  AddServer,
  Control,
  DaemonStatus,
  RemoveServer,
  Report,
  ServerStatus,
  ServiceStatus,
  SetServer,
  SetWeight,
} from '../../../src/service/control.ts';
import { ControlError } from '../../../src/service/control.ts';
import type { Problem } from '../../../src/config/problem.ts';
import type { Plan } from '../../../src/plan/plan.ts';
import type { Simulation } from '../../../src/simulate/simulate.ts';

export function serverStatus(server: string, changes: Partial<ServerStatus> = {}): ServerStatus {
  return {
    server,
    address: `192.168.1.${10 + Number(/\d+$/.exec(server)?.[0] ?? 0)}`,
    state: 'up',
    decider: 'configuration',
    reason: 'configured',
    since: 65.9,
    weight: 100,
    share: 0.5,
    slots: 2048,
    packets: 12n,
    bytes: 3456n,
    damped: false,
    ...changes,
  };
}

export function serviceStatus(service: string, changes: Partial<ServiceStatus> = {}): ServiceStatus {
  return {
    service,
    ghosts: ['198.51.100.1'],
    protocols: ['tcp'],
    ports: ['80', '443'],
    slots: 4096,
    servers: [serverStatus('web1'), serverStatus('web2')],
    ...changes,
  };
}

/** A daemon that notes what it is asked, and says what it has been given. */
export class FakeControl implements Control {
  readonly asked: unknown[][] = [];
  services: readonly ServiceStatus[] = [serviceStatus('web')];
  failing: string | undefined;
  /** Thrown by the next order. */
  error: Error | undefined;
  problems: readonly Problem[] = [];
  changes: Plan = { nftables: [], network: [], transaction: '' };
  simulations: readonly Simulation[] = [];
  contents: Readonly<Record<string, unknown>> = {};
  taken = true;

  async status(service?: string): Promise<DaemonStatus> {
    this.#note('status', service);
    const services = this.services.filter((entry) => service === undefined || entry.service === service);
    if (service !== undefined && services.length === 0) throw new ControlError('not-found', `no service '${service}'`);
    return {
      version: '1.2.3',
      uptime: 100.5,
      services,
      ...(this.failing === undefined ? {} : { failing: this.failing }),
    };
  }

  async setServer(request: SetServer): Promise<void> {
    this.#note('setServer', request);
  }

  async setWeight(request: SetWeight): Promise<void> {
    this.#note('setWeight', request);
  }

  async addServer(request: AddServer): Promise<void> {
    this.#note('addServer', request);
  }

  async removeServer(request: RemoveServer): Promise<void> {
    this.#note('removeServer', request);
  }

  async simulate(request: Parameters<Control['simulate']>[0]): Promise<readonly Simulation[]> {
    this.#note('simulate', request);
    return this.simulations;
  }

  async plan(): Promise<Plan & { readonly problems: readonly Problem[] }> {
    this.#note('plan');
    return { ...this.changes, problems: this.problems };
  }

  async check(configuration?: string): Promise<readonly Problem[]> {
    this.#note('check', configuration);
    return this.problems;
  }

  async reload(): Promise<boolean> {
    this.#note('reload');
    return this.taken;
  }

  async dump(): Promise<Readonly<Record<string, unknown>>> {
    this.#note('dump');
    return this.contents;
  }

  report(report: Report): void {
    this.#note('report', report);
  }

  #note(...what: unknown[]): void {
    this.asked.push(what.filter((part) => part !== undefined));
    const { error } = this;
    this.error = undefined;
    if (error) throw error;
  }
}
