import type { Lab } from '../lab/lab.ts';
import { echoPort, httpPort } from '../lab/servers.ts';
import { uciSection } from '../lab/uci.ts';
import { connectAll, populate, useConnections, visit, type Broken, type Client } from './population.ts';
import { renderTable, type Column } from './table.ts';
import type { Terminal } from './terminal.ts';

/** The whole stage: the network, everybody on it, and what has happened so far. */
export class Scene {
  readonly lab: Lab;
  readonly clients: readonly Client[];
  readonly #terminal: Terminal;
  readonly #removed = new Set<string>();
  readonly #broken: Broken[] = [];

  constructor(lab: Lab, terminal: Terminal) {
    this.lab = lab;
    this.clients = populate(lab);
    this.#terminal = terminal;
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
    return [service, ...servers].join('');
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

  /** Has the daemon load the configuration as it is now; resolves with the milliseconds it took. */
  async #reload(server: string, from: number, to: number): Promise<number> {
    this.#terminal.print(
      this.#terminal.style('cyan', `      config server '${server}'`),
      this.#terminal.style('red', `    -   option enabled '${from}'`),
      this.#terminal.style('green', `    +   option enabled '${to}'`),
    );
    const begin = performance.now();
    await this.lab.daemon.reload(this.config());
    return performance.now() - begin;
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
      inService: !this.#removed.has(name),
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
