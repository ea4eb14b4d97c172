import type { UbusClient } from '../../src/ubus/client.ts';
import type { Lab } from '../lab/lab.ts';
import type { Daemon } from '../lab/daemon.ts';
import type { Namespace } from '../lab/namespace.ts';
import { echoPort, httpPort, killServer, restartServer } from '../lab/servers.ts';
import type { ServerPrograms } from '../lab/servers.ts';
import { uciSection } from '../lab/uci.ts';
import type { UciOptions } from '../lab/uci.ts';
import { connectAll, populate, useConnections, visit, type Broken, type Client } from './population.ts';
import { readMachineState, stateDifferences } from './machine-state.ts';
import { renderTable, type Column } from './table.ts';
import type { Terminal } from './terminal.ts';

/** Milliseconds that the daemon may take to notice something. */
const PATIENCE = 10_000;

/** A machine on which one of our daemons runs. */
export interface Machine {
  readonly name: string;
  readonly namespace: Namespace;
  readonly daemon: Daemon;
}

/** How a machine's daemon ended, and what is not as it was before its start. */
export interface Departure {
  readonly name: string;
  readonly status: number;
  readonly differences: readonly string[];
}

/** The whole stage: the network, everybody on it, and what has happened so far. */
export class Scene {
  /** Milliseconds of traffic to look at in each step. */
  readonly watching: number = 2_500;
  readonly lab: Lab;
  readonly clients: readonly Client[];
  readonly #terminal: Terminal;
  readonly #bus: UbusClient;
  readonly #removed = new Set<string>();
  /** State of each server as the router's daemon tells it; empty while that cannot be asked. */
  protected states: Readonly<Record<string, string>> = {};
  /** Of each machine before its daemon was started. */
  readonly #untouched = new Map<string, ReadonlyMap<string, string>>();
  #programs: readonly ServerPrograms[];
  readonly #broken: Broken[] = [];

  /** `bus` is the client of a bus on which the daemon is, or will be. */
  constructor(lab: Lab, terminal: Terminal, bus: UbusClient) {
    this.lab = lab;
    this.clients = populate(lab);
    this.#terminal = terminal;
    this.#bus = bus;
    this.#programs = lab.programs;
  }

  /** Machines on which our daemons run. */
  machines(): readonly Machine[] {
    return [{ name: 'the router', namespace: this.lab.router, daemon: this.lab.daemon }];
  }

  /** Starts all daemons, and has the states of their machines in mind. */
  async begin(): Promise<void> {
    await Promise.all(
      this.machines().map(async ({ name, namespace, daemon }) => {
        this.#untouched.set(name, await readMachineState(namespace));
        await daemon.start(this.config());
      }),
    );
    await this.refresh();
  }

  /** Stops all daemons, and looks at what they have left. */
  async end(): Promise<Departure[]> {
    return Promise.all(
      this.machines().map(async ({ name, namespace, daemon }) => {
        const status = await daemon.stop();
        const before = this.#untouched.get(name) ?? new Map<string, string>();
        return { name, status, differences: stateDifferences(before, await readMachineState(namespace)) };
      }),
    );
  }

  /** What the service has besides, and sections besides those of the service, its watchdog and its servers. */
  protected extras(): { readonly service: UciOptions; readonly sections: readonly string[] } {
    return { service: {}, sections: [] };
  }

  /** Resolves when what the router's daemon has decided is in force everywhere. */
  protected settled(): Promise<void> {
    return Promise.resolve();
  }

  /** Shows a line that stays. */
  protected say(style: Parameters<Terminal['style']>[0], line: string): void {
    this.#terminal.print(this.#terminal.style(style, `    ${line}`));
  }

  /** The configuration, in UCI's syntax, with the servers that are in service now. */
  config(): string {
    const extras = this.extras();
    const service = uciSection('service', 'web', {
      ghost: this.lab.ghosts,
      proto: 'tcp',
      port: [httpPort, echoPort],
      source: ['wan', 'br-lan', 'br-guest'],
      device: 'br-lan',
      ...extras.service,
    });
    const servers = this.lab.servers.map(({ name, address }) =>
      uciSection('server', name, {
        enabled: this.#removed.has(name) ? 0 : 1,
        service: ['web'],
        address: address[4],
        address6: address[6],
      }),
    );
    const watchdog = uciSection('watchdog', 'alive', {
      type: 'tcp',
      port: echoPort,
      interval: '100ms',
      timeout: '200ms',
      fall: 2,
    });
    return [service, ...extras.sections, watchdog, ...servers].join('');
  }

  /** Takes a server out of the configuration. */
  remove(server: string): Promise<number> {
    this.#removed.add(server);
    return this.#reload(server, 1, 0);
  }

  /** Puts it back. */
  add(server: string): Promise<number> {
    this.#removed.delete(server);
    return this.#reload(server, 0, 1);
  }

  /** Kills a server's programs; resolves with the milliseconds until the daemon has taken it out. */
  async kill(server: string): Promise<number> {
    this.say('red', `kill -9, all programs of ${server}`);
    const out = this.until(server, 'down');
    const begin = performance.now();
    await this.killPrograms(server);
    await out;
    return performance.now() - begin;
  }

  /** Starts them again; resolves when the daemon has the server back. */
  async revive(server: string): Promise<void> {
    this.say('green', `${server} starts its programs again`);
    const back = this.until(server, 'up');
    await this.startPrograms(server);
    await back;
  }

  protected async killPrograms(server: string): Promise<void> {
    await killServer(this.#programsOf(server));
  }

  protected async startPrograms(server: string): Promise<void> {
    const programs = this.#programsOf(server);
    const started = await restartServer(programs);
    this.#programs = this.#programs.map((entry) => (entry === programs ? started : entry));
  }

  #programsOf(server: string): ServerPrograms {
    const programs = this.#programs.find((entry) => entry.server.name === server);
    if (!programs) throw new Error(`there is no server ${server}`);
    return programs;
  }

  /** Gives an order on the command line. */
  async order(...words: readonly string[]): Promise<void> {
    this.say('cyan', `# oneip ${words.join(' ')}`);
    const { status, stderr } = await this.lab.daemon.command([...words, '--ubus', this.lab.daemon.ubusSocket]);
    if (status !== 0) throw new Error(`oneip ${words.join(' ')}: ${stderr}`);
    await this.refresh();
  }

  /** Asks the daemon how its servers are; resolves when that is in force. */
  async refresh(): Promise<void> {
    const { services } = (await this.#bus.call('oneip', 'status')) as {
      services: { web: { servers: Record<string, { state: string }> } };
    };
    this.states = Object.fromEntries(Object.entries(services.web.servers).map(([name, { state }]) => [name, state]));
    this.draw();
    await this.settled();
  }

  /** Resolves when the daemon says that a server has come into a state, and that is in force. */
  protected until(server: string, state: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const patience = setTimeout(() => {
        listener.cancel();
        reject(new Error(`the daemon has not said within ${PATIENCE / 1000} s that ${server} is ${state}`));
      }, PATIENCE);
      const listener = this.#bus.listen('oneip', (_, event) => {
        if (event.server !== server || event.action !== state) return;
        clearTimeout(patience);
        listener.cancel();
        this.refresh().then(resolve, reject);
      });
    });
  }

  /** Has the daemon load the configuration as it is now; resolves with the milliseconds it took. */
  async #reload(server: string, from: number, to: number): Promise<number> {
    this.#terminal.print(
      this.#terminal.style('cyan', `      config server '${server}'`),
      this.#terminal.style('red', `    -   option enabled '${from}'`),
      this.#terminal.style('green', `    +   option enabled '${to}'`),
    );
    const begin = performance.now();
    await this.lab.daemon.reload(this.config());
    const duration = performance.now() - begin;
    await this.refresh();
    return duration;
  }

  /** Everybody sends requests for so many milliseconds, at least one each, while the table is redrawn. Resolves with the requests not answered. */
  async traffic(milliseconds = this.watching): Promise<Client[]> {
    const end = performance.now() + milliseconds;
    const failed: Client[] = [];
    do {
      for (const some of slices(this.clients, 60)) {
        failed.push(...(await visit(some)));
        this.draw();
      }
      this.#terminal.progress(`  requests so far: ${this.#tally()}`);
    } while (performance.now() < end);
    return failed;
  }

  /** Opens the connections that are missing; resolves with the clients that could not. */
  async connect(): Promise<Client[]> {
    const failed = await connectAll(this.lab, this.clients);
    this.draw();
    return failed;
  }

  /** Sends a line over every connection; resolves with those that broke. */
  async useConnections(): Promise<Broken[]> {
    const broken = await useConnections(this.clients);
    this.#broken.push(...broken);
    this.draw();
    return broken;
  }

  /** Redraws the table. */
  draw(): void {
    this.#terminal.draw(this.table());
  }

  /** The table as it stands. */
  table(): string[] {
    return renderTable(this.#terminal, this.#columns(), this.clients);
  }

  /** How many clients each server answered last. */
  shares(): Map<string, number> {
    const shares = new Map(this.lab.servers.map(({ name }) => [name, 0]));
    for (const { lastServer = '' } of this.clients) shares.set(lastServer, (shares.get(lastServer) ?? 0) + 1);
    return shares;
  }

  #columns(): Column[] {
    return this.lab.servers.map(({ name }) => ({
      name,
      state: this.states[name] ?? '',
      broken: this.#broken.filter(({ server }) => server === name).length,
    }));
  }

  #tally(): string {
    return this.lab.servers
      .map(({ name }) => `${name} ${this.clients.reduce((sum, { requests }) => sum + (requests.get(name) ?? 0), 0)}`)
      .join(', ');
  }
}

function slices<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}
