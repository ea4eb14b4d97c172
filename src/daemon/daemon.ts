import { optionValue } from '../cli/arguments.ts';
import type { Invocation } from '../cli/arguments.ts';
import { parseSnapshot } from '../deployment/snapshot.ts';
import { printError, printIfPossible } from '../host/console.ts';
import { ensureDirectory, readText, readTextIfThere } from '../host/files.ts';
import { HostRouter } from '../host/router.ts';
import { claim, everySignal, freeMemory, nextTurn, startTimer } from '../host/system.ts';
import { createAllocator } from './allocator.ts';
import { Controller } from './controller.ts';

/** Events come in bursts (a device appears with its addresses and routes); one reconciliation answers them all. */
const SETTLE = 20;
/** Milliseconds until a failed reconciliation is tried again; doubled each time. */
const FIRST_RETRY = 1000;
const LONGEST_RETRY = 60_000;

/**
 * `oneip daemon`: dispatches until SIGTERM or SIGINT, and then leaves the router as it was. SIGHUP reads the configuration
 * again. Resolves with the exit status.
 */
export async function runDaemon(invocation: Invocation): Promise<number> {
  const file = optionValue(invocation, 'config');
  const state = optionValue(invocation, 'state');
  ensureDirectory(state);
  if (!claim(`${state}/daemon.lock`)) {
    printError(`oneip: another daemon runs with ${state}\n`);
    return 1;
  }
  const text = readText(file);
  const previous = parseSnapshot(readTextIfThere(`${state}/applied.json`) ?? '');
  const daemon = new Daemon(file, state, optionValue(invocation, 'ubus'), previous?.numbers ?? new Map());
  return daemon.run(text);
}

class Daemon {
  readonly #file: string;
  readonly #router: HostRouter;
  readonly #controller: Controller;
  #settling: { cancel(): void } | undefined;
  #retry = FIRST_RETRY;
  #ending = false;

  constructor(file: string, state: string, ubus: string, numbers: ReadonlyMap<string, number>) {
    this.#file = file;
    this.#router = new HostRouter(state, ubus, {
      log,
      changed: () => this.#reconcileSoon(SETTLE),
      distrusted: (reason) => {
        log(`${reason}; loading the ruleset again`);
        this.#controller.distrust();
        this.#reconcileSoon(0);
      },
    });
    const turn = async (): Promise<void> => {
      await nextTurn();
      this.#controller.goOn();
    };
    this.#controller = new Controller({ router: this.#router, log, allocate: createAllocator(turn) }, numbers);
  }

  async run(text: string): Promise<number> {
    const ended = new Promise<void>((resolve) => {
      everySignal(['SIGTERM', 'SIGINT'], () => resolve());
    });
    const started = this.#start(text);
    everySignal(['SIGHUP'], () => void started.then(() => this.#reload()).catch(() => undefined));
    const failure = await Promise.race([started.then(() => ended), ended]).catch((error: unknown) => ({ error }));
    await this.#stop(failure !== undefined);
    if (failure) throw failure.error;
    return 0;
  }

  async #start(text: string): Promise<void> {
    await this.#router.open();
    await this.#controller.configure(text, this.#file);
    freeMemory();
    log('ready');
  }

  /** Leaves the router as it was. Where that was failing already, says what else has. */
  async #stop(failing: boolean): Promise<void> {
    this.#ending = true;
    this.#settling?.cancel();
    await this.#controller.stop();
    try {
      for (const line of await this.#router.close()) log(line);
      log('stopped; the router is as it was');
    } catch (error) {
      if (!failing) throw error;
      log(reasonOf(error));
    }
  }

  async #reload(): Promise<void> {
    if (this.#ending) return;
    try {
      const taken = await this.#controller.configure(readText(this.#file), this.#file);
      log(taken ? 'reloaded' : 'not reloaded: the configuration has errors; going on with the one in force');
    } catch (error) {
      if (this.#ending) return;
      log(`not reloaded: ${reasonOf(error)}; going on with the configuration in force`);
      this.#reconcileSoon(0);
    }
    freeMemory();
  }

  #reconcileSoon(delay: number): void {
    this.#settling?.cancel();
    if (this.#ending) return;
    this.#settling = startTimer(() => void this.#reconcile(), delay);
  }

  async #reconcile(): Promise<void> {
    try {
      await this.#controller.reconcile();
      this.#retry = FIRST_RETRY;
    } catch (error) {
      if (this.#ending) return;
      log(`${reasonOf(error)}; trying again in ${this.#retry / 1000} s`);
      this.#reconcileSoon(this.#retry);
      this.#retry = Math.min(this.#retry * 2, LONGEST_RETRY);
    }
    freeMemory();
  }
}

function log(line: string): void {
  printIfPossible(`oneip: ${line}\n`);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
