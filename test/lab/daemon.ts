import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Namespace } from './namespace.ts';
import { oneipProgram } from './paths.ts';
import type { LineProcess, Outcome } from './process.ts';

/** Longest time, in milliseconds, that the daemon may take to load or change its ruleset. */
const patience = 20_000;

/** `oneip daemon`, running in a router's namespace; or another of the commands that stay, such as `oneip server` in a server's. */
export class Daemon {
  readonly configFile: string;
  readonly stateFolder: string;
  readonly ubusSocket: string;
  readonly #router: Namespace;
  readonly #command: readonly string[];
  readonly #program: readonly string[];
  #process: LineProcess | undefined;

  /** `folder` holds the configuration and the state, and is created. `program`: where it is not the one that is installed. */
  constructor(
    router: Namespace,
    folder: string,
    command: readonly string[] = ['daemon'],
    program: readonly string[] = [oneipProgram],
  ) {
    mkdirSync(folder, { recursive: true });
    this.#router = router;
    this.#command = command;
    this.#program = program;
    this.configFile = join(folder, 'oneip');
    this.stateFolder = join(folder, 'state');
    this.ubusSocket = join(folder, 'ubus.sock');
  }

  /** Starts the daemon with a configuration in UCI's syntax; resolves once the kernel has the first ruleset, within `timeout` milliseconds. */
  async start(config: string, timeout = patience): Promise<void> {
    this.configure(config);
    this.#process = this.#router.startWithSysfs([
      ...this.#program,
      ...this.#command,
      ...['--config', this.configFile, '--state', this.stateFolder, '--ubus', this.ubusSocket],
    ]);
    await this.#process.waitFor((line) => /\boneip: ready\b/.test(line) || undefined, timeout);
  }

  /** Writes a configuration and has the running daemon load it; resolves once the kernel has it, within `timeout` milliseconds. */
  async reload(config: string, timeout = patience): Promise<void> {
    const running = this.process;
    this.configure(config);
    const reloaded = running.waitFor((line) => /\boneip: reloaded\b/.test(line) || undefined, timeout);
    running.signal('SIGHUP');
    await reloaded;
  }

  /** Writes a configuration without telling the daemon. */
  configure(config: string): void {
    writeFileSync(this.configFile, config);
  }

  /** SIGTERM; resolves with the exit status. */
  stop(): Promise<number> {
    return this.process.stop('SIGTERM');
  }

  /** SIGKILL: what a crash looks like to the router. */
  async crash(): Promise<void> {
    await this.process.stop('SIGKILL');
  }

  /** Runs another subcommand of the program in the router's namespace, e.g. `['plan', '--json']`. */
  command(argv: readonly string[]): Promise<Outcome> {
    return this.#router.attempt([oneipProgram, ...argv]);
  }

  /** Every line that the daemon has printed since its last start. */
  get log(): readonly string[] {
    return this.process.log;
  }

  get started(): boolean {
    return this.#process !== undefined;
  }

  /** The running, or last, process. */
  get process(): LineProcess {
    if (!this.#process) throw new Error('the daemon has not been started');
    return this.#process;
  }
}
