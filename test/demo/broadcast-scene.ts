import type { UbusClient } from '../../src/ubus/client.ts';
import type { Daemon } from '../lab/daemon.ts';
import type { Lab } from '../lab/lab.ts';
import { eventually } from '../lab/scenario.ts';
import { serverDaemon, slotsInForce, takenBy } from '../lab/server-programs.ts';
import type { Server } from '../lab/topology.ts';
import { uciSection } from '../lab/uci.ts';
import { Scene, type Machine } from './scene.ts';
import type { Terminal } from './terminal.ts';

/** Entries of the service's table. */
const SLOTS = 4096;
/** Milliseconds until slots must be where the router's daemon wants them: more than the longest silence of a server. */
const LONGEST_MOVE = 8_000;

/** A stage on which every packet goes to all servers, and `oneip server` on each of them takes what is its own. */
export class BroadcastScene extends Scene {
  /** There are more steps. */
  override readonly watching = 1_500;
  readonly #daemons: ReadonlyMap<Server, Daemon>;

  constructor(lab: Lab, terminal: Terminal, bus: UbusClient) {
    super(lab, terminal, bus);
    this.#daemons = new Map(lab.servers.map((server) => [server, serverDaemon(lab, server)]));
  }

  override machines(): readonly Machine[] {
    const servers = [...this.#daemons].map(([{ name, namespace }, daemon]) => ({ name, namespace, daemon }));
    return [...servers, ...super.machines()];
  }

  protected override extras() {
    const channel = uciSection('globals', 'globals', { key: 'a-secret-of-router-and-servers' });
    return { service: { dispatch: 'broadcast' }, sections: [channel] };
  }

  /** Every slot has one owner, and servers that are up have some. The servers say so, not the router. */
  protected override async settled(): Promise<void> {
    await eventually(
      `all slots are with those of ${JSON.stringify(this.states)} that are up`,
      LONGEST_MOVE,
      async () => {
        const slots = await this.slots();
        const total = [...slots.values()].reduce((sum, count) => sum + count, 0);
        const isPlaced = [...slots].every(([server, count]) => count > 0 === (this.states[server] === 'up'));
        return total === SLOTS && isPlaced ? true : undefined;
      },
    );
  }

  /** Slots that each server has in force, by name; none where its power is off. */
  async slots(): Promise<Map<string, number>> {
    const entries = await Promise.all(
      [...this.#daemons].map(async ([server, daemon]) => {
        const { ipv4 = 0, ipv6 = 0 } = daemon.process.running ? await slotsInForce(server, daemon, 'web') : {};
        // In the middle of a move the families differ: such a number is nobody's.
        return [server.name, ipv4 === ipv6 ? ipv4 : Number.NaN] as const;
      }),
    );
    return new Map(entries);
  }

  /** Beginnings that each server's filter has taken so far. */
  taken(): Promise<Map<string, number>> {
    return takenBy(this.lab, 'web');
  }

  /** Its power fails: no packet, no program and no daemon any more. Resolves with the milliseconds until others have its slots. */
  async cutPower(name: string): Promise<number> {
    const { server, daemon } = this.#server(name);
    this.say('red', `the power of ${name} fails`);
    const out = this.until(name, 'down');
    const begin = performance.now();
    await this.lab.router.ip([`link set ${server.port} down`]);
    await Promise.all([this.killPrograms(name), daemon.crash()]);
    await out;
    return performance.now() - begin;
  }

  /** The power is back: the server starts as a machine does. */
  async restorePower(name: string): Promise<void> {
    const { server, daemon } = this.#server(name);
    this.say('green', `${name} has power again, and starts`);
    const back = this.until(name, 'up');
    // A machine that has been off has no filter from before.
    await server.namespace.run(['nft', 'flush', 'ruleset']);
    await Promise.all([this.startPrograms(name), daemon.start(this.config())]);
    await this.lab.router.ip([`link set ${server.port} up`]);
    await back;
  }

  /** SIGKILL for the router's daemon. */
  async crashRouter(): Promise<void> {
    this.say('red', 'kill -9, the daemon on the router');
    await this.lab.daemon.crash();
    this.states = {};
    this.draw();
  }

  /** Starts it again. */
  async restartRouter(): Promise<void> {
    this.say('green', 'the daemon on the router starts again');
    await this.lab.daemon.start(this.config());
    await this.refresh();
  }

  #server(name: string): { readonly server: Server; readonly daemon: Daemon } {
    for (const [server, daemon] of this.#daemons) if (server.name === name) return { server, daemon };
    throw new Error(`there is no server ${name}`);
  }
}
