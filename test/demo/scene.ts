import type { UbusClient } from '../../src/ubus/client.ts';
import type { Lab } from '../lab/lab.ts';
import { echoPort, httpPort, killServer, restartServer } from '../lab/servers.ts';
import type { ServerPrograms } from '../lab/servers.ts';
import { uciSection } from '../lab/uci.ts';
import { connectAll, populate, useConnections, visit, type Broken, type Client } from './population.ts';
import { renderTable, type Column } from './table.ts';
import type { Terminal } from './terminal.ts';

/** Milliseconds that the daemon may take to notice something. */
const PATIENCE = 10_000;

/** The whole stage: the network, everybody on it, and what has happened so far. */
export class Scene {
  readonly lab: Lab;
  readonly clients: readonly Client[];
  readonly #terminal: Terminal;
  readonly #bus: UbusClient;
  readonly #removed = new Set<string>();
  /** State of each server as the daemon tells it. */
  #states: Readonly<Record<string, string>> = {};
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

  /** The configuration, in UCI's syntax, with the servers that are in service now. */
  config(): string {
    const service = uciSection('service', 'web', {
      ghost: this.lab.ghosts,
      proto: 'tcp',
      port: [httpPort, echoPort],
      source: ['wan', 'br-lan', 'br-guest'],
      device: 'br-lan',
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
    return [service, watchdog, ...servers].join('');
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
    const programs = this.#programs.find((entry) => entry.server.name === server);
    if (!programs) throw new Error(`there is no server ${server}`);
    this.#terminal.print(this.#terminal.style('red', `    kill -9, all programs of ${server}`));
    const out = this.#until(server, 'down');
    const begin = performance.now();
    await killServer(programs);
    await out;
    return performance.now() - begin;
  }

  /** Starts them again; resolves when the daemon has the server back. */
  async revive(server: string): Promise<void> {
    const programs = this.#programs.find((entry) => entry.server.name === server);
    if (!programs) throw new Error(`there is no server ${server}`);
    this.#terminal.print(this.#terminal.style('green', `    ${server} starts its programs again`));
    const back = this.#until(server, 'up');
    const started = await restartServer(programs);
    this.#programs = this.#programs.map((entry) => (entry === programs ? started : entry));
    await back;
  }

  /** Gives an order on the command line. */
  async order(...words: readonly string[]): Promise<void> {
    this.#terminal.print(this.#terminal.style('cyan', `    # oneip ${words.join(' ')}`));
    const { status, stderr } = await this.lab.daemon.command([...words, '--ubus', this.lab.daemon.ubusSocket]);
    if (status !== 0) throw new Error(`oneip ${words.join(' ')}: ${stderr}`);
    await this.refresh();
  }

  /** Asks the daemon how its servers are. */
  async refresh(): Promise<void> {
    const { services } = (await this.#bus.call('oneip', 'status')) as {
      services: { web: { servers: Record<string, { state: string }> } };
    };
    this.#states = Object.fromEntries(Object.entries(services.web.servers).map(([name, { state }]) => [name, state]));
    this.draw();
  }

  /** Resolves when the daemon says that a server has come into a state. */
  #until(server: string, state: string): Promise<void> {
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
  async traffic(milliseconds: number): Promise<Client[]> {
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
      state: this.#states[name] ?? '',
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
