import { families, routerAddresses } from './addresses.ts';
import type { ControlClient, Heard } from './control-client.ts';
import type { Cause, Outage } from './hitless-judge.ts';
import type { Lab } from './lab.ts';
import { killServer, restartServer, type ServerPrograms } from './servers.ts';
import { ghostLine, type Server, type Topology } from './topology.ts';
import { clock } from './traffic-load.ts';

/** Takes a server's cable away: its end of the veth pair goes down, and the bridge port loses its carrier. */
export async function cutCable({ namespace }: Server): Promise<void> {
  await namespace.ip(['link set eth0 down']);
}

/** The cable is back, and with it what the kernel took away. */
export async function mendCable({ namespace, address }: Server): Promise<void> {
  await namespace.ip([
    'link set eth0 up',
    `address add ${address[6]}/64 dev eth0 nodad`,
    ...families.map((family) => `route replace default via ${routerAddresses.lan[family]}`),
  ]);
}

/** The server no longer knows the ghost addresses, or knows them again. */
export async function removeAlias({ ghosts }: Topology, { namespace }: Server): Promise<void> {
  await namespace.ip(ghosts.map((ghost) => `address del ${ghost}/${ghost.includes(':') ? 128 : 32} dev lo`));
}

export async function restoreAlias({ ghosts }: Topology, { namespace }: Server): Promise<void> {
  await namespace.ip(ghosts.map(ghostLine));
}

/** Servers that fail and are mended, with a record of when, and of when the daemon knew. */
export class Fleet {
  /** All failures so far. */
  readonly outages: Outage[] = [];
  /** Servers that the daemon took for dead though nobody had touched them. */
  readonly falseAlarms: Heard[] = [];
  readonly #lab: Lab;
  readonly #programs: Map<string, ServerPrograms>;
  /** Servers that the daemon has told to be down, and nothing else since. */
  readonly #down = new Set<string>();
  readonly #settle: number;
  readonly #settling = new Set<Promise<void>>();
  readonly #control: ControlClient;

  /** `settle`: milliseconds after a server was mended in which it may still be found down for what had been. */
  constructor(lab: Lab, control: ControlClient, settle: number) {
    this.#lab = lab;
    this.#control = control;
    this.#settle = settle;
    this.#programs = new Map(lab.programs.map((programs) => [programs.server.name, programs]));
    control.onEvent((event) => this.#hear(event));
  }

  /** The failure that a server has not got over yet. */
  outage(server: string): Outage | undefined {
    return this.outages.find((outage) => outage.server === server && outage.until === undefined);
  }

  /** Makes a server fail that is well. `use`: whether new connections are sent to it, and unknown datagrams. */
  async fail(server: Server, cause: Cause, use: Pick<Outage, 'inUse' | 'isLearnt'>): Promise<void> {
    const programs = this.#programsOf(server);
    this.outages.push({ server: server.name, cause, ...use, from: clock() });
    if (cause === 'killed') await killServer(programs);
    else if (cause === 'cut') await cutCable(server);
    else if (cause === 'alias') await removeAlias(this.#lab, server);
    else signalAll(programs, 'SIGSTOP');
  }

  /** Mends what fails; resolves when that is done, which is before the daemon knows. */
  async mend(server: Server): Promise<void> {
    const outage = this.outage(server.name);
    if (!outage) throw new Error(`${server.name} is well`);
    const programs = this.#programsOf(server);
    if (outage.cause === 'killed') this.#programs.set(server.name, await restartServer(programs));
    else if (outage.cause === 'cut') await mendCable(server);
    else if (outage.cause === 'alias') await restoreAlias(this.#lab, server);
    else signalAll(programs, 'SIGCONT');
    outage.mended = clock();
    const settled = this.#end(outage, outage.mended);
    this.#settling.add(settled);
    void settled.finally(() => this.#settling.delete(settled));
  }

  /** Resolves when the daemon knows of every server that was mended. */
  async settled(): Promise<void> {
    await Promise.all(this.#settling);
  }

  async #end(outage: Outage, mended: number): Promise<void> {
    const { server } = outage;
    // Nothing tells of failures that go unnoticed; until then they may be noticed.
    await new Promise((resolve) => setTimeout(resolve, this.#settle));
    const isBack = (event: Heard) => event.server === server && !this.#down.has(server);
    if (this.#down.has(server)) await this.#control.until(isBack, 30_000);
    outage.until = Math.max(mended, outage.back ?? mended);
  }

  #hear(event: Heard): void {
    const { action, server, time } = event;
    if (server === undefined) return;
    const outage = this.outage(server);
    if (action !== 'down') {
      if (!isRecovery(event, server) || !this.#down.delete(server)) return;
      // It may be found down once more for what has been: the last time counts.
      if (outage) outage.back = time;
      return;
    }
    this.#down.add(server);
    if (outage) outage.noticed ??= time;
    else this.falseAlarms.push(event);
  }

  #programsOf(server: Server): ServerPrograms {
    const programs = this.#programs.get(server.name);
    if (!programs) throw new Error(`${server.name} has no programs`);
    return programs;
  }
}

/** True where the daemon does not take the server for dead any more, whatever else has become of it. */
function isRecovery({ action, server }: Heard, name: string): boolean {
  return server === name && ['up', 'draining', 'drained', 'disabled', 'removed'].includes(action);
}

function signalAll({ echo, nginx }: ServerPrograms, signal: 'SIGSTOP' | 'SIGCONT'): void {
  echo.signal(signal);
  nginx.signal(signal);
}
