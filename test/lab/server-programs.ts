import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as assert from 'uvu/assert';
import { Daemon } from './daemon.ts';
import type { Lab } from './lab.ts';
import { oneipProgram } from './paths.ts';
import type { Outcome } from './process.ts';
import { counters, eventually } from './scenario.ts';
import type { Server } from './topology.ts';

/** `oneip server` on each of the servers, each with its own copy of the configuration; resolves when all are ready. */
export async function startServerDaemons(lab: Lab, config: string): Promise<Daemon[]> {
  const daemons = lab.servers.map((server) => serverDaemon(lab, server));
  await Promise.all(daemons.map((daemon) => daemon.start(config)));
  return daemons;
}

/** The daemon of one server, not started yet. */
export function serverDaemon(
  { folder }: Pick<Lab, 'folder'>,
  { name, namespace }: Server,
  words: string[] = [],
): Daemon {
  return new Daemon(namespace, join(folder, name, 'oneip'), ['server', ...words]);
}

/** Slots of a service that a server's running daemon has in force, by family. */
export async function slotsInForce(
  { namespace }: Pick<Server, 'namespace'>,
  { configFile, stateFolder }: Daemon,
  service: string,
): Promise<{ readonly ipv4?: number; readonly ipv6?: number }> {
  const places = ['--config', configFile, '--state', stateFolder];
  const { stdout } = await namespace.attempt([oneipProgram, 'server', '--status', '--json', ...places]);
  const status = JSON.parse(stdout) as { services: { name: string; slots?: { ipv4?: number; ipv6?: number } }[] };
  return status.services.find(({ name }) => name === service)?.slots ?? {};
}

/** Slots of a service that each server holds, of both families together, by what is in force there. */
export function slotsHeld(
  { servers }: Pick<Lab, 'servers'>,
  daemons: readonly Daemon[],
  service: string,
): Promise<number[]> {
  return Promise.all(
    servers.map(async (server, index) => {
      const daemon = daemons[index];
      if (!daemon) return Number.NaN;
      const { ipv4 = 0, ipv6 = 0 } = await slotsInForce(server, daemon, service);
      return ipv4 + ipv6;
    }),
  );
}

export function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

/** Waits until all slots of a service, so many in both families together, have an owner, and so many servers (all) have some. */
export async function everySlotOwned(
  lab: Pick<Lab, 'servers'>,
  daemons: readonly Daemon[],
  service: string,
  slots: number,
  timeout: number,
  least = lab.servers.length,
) {
  return eventually('every slot has an owner', timeout, async () => {
    const counts = await slotsHeld(lab, daemons, service);
    return sum(counts) === slots && counts.filter((count) => count > 0).length >= least ? counts : undefined;
  });
}

/** A server's script, run in its namespace by the shell that is named, as `sh FILE ACTION`. */
export class ServerScript {
  readonly file: string;
  readonly #server: Server;
  readonly #shell: readonly string[];
  readonly #state: string;

  /** Has the program print it, from a configuration in UCI's syntax. */
  static async make(lab: Lab, server: Server, config: string, shell: readonly string[]): Promise<ServerScript> {
    const configFile = join(lab.folder, server.name, 'script-config');
    mkdirSync(dirname(configFile), { recursive: true });
    writeFileSync(configFile, config);
    const { status, stdout, stderr } = await lab.daemon.command(['server-script', server.name, '--config', configFile]);
    assert.is(status, 0, stderr);
    return ServerScript.of(lab, server, stdout, shell);
  }

  /** Takes its text. */
  static of(lab: Lab, server: Server, text: string, shell: readonly string[]): ServerScript {
    const folder = join(lab.folder, server.name, 'script');
    mkdirSync(folder, { recursive: true });
    const script = new ServerScript(server, join(folder, 'script'), join(folder, 'state'), shell);
    writeFileSync(script.file, text);
    return script;
  }

  private constructor(server: Server, file: string, state: string, shell: readonly string[]) {
    this.#server = server;
    this.file = file;
    this.#state = state;
    this.#shell = shell;
  }

  run(action: string): Promise<Outcome> {
    const command = [...this.#shell, this.file, action];
    return this.#server.namespace.attempt(['env', `ONEIP_SERVER_STATE=${this.#state}`, ...command]);
  }

  async done(action: string): Promise<void> {
    const { status, stderr, stdout } = await this.run(action);
    assert.is(status, 0, `${action}: ${stderr}${stdout}`);
  }
}

/** How many beginnings each server has taken since its filter was loaded, by name. */
export async function takenBy({ servers }: Pick<Lab, 'servers'>, service: string): Promise<Map<string, number>> {
  const entries = await Promise.all(
    servers.map(async ({ name, namespace }) => {
      const { packets } = (await counters(namespace, 'inet')).get(`${service}/taken`) ?? { packets: Number.NaN };
      return [name, packets] as const;
    }),
  );
  return new Map(entries);
}
