import { optionValue } from '../cli/arguments.ts';
import type { Invocation } from '../cli/arguments.ts';
import { channelsOf } from '../channel/place.ts';
import { isFlooded } from '../config/model.ts';
import type { Model } from '../config/model.ts';
import { loadConfiguration } from '../config/validate.ts';
import { ChannelSocket, authenticator, randomLife } from '../host/channel-socket.ts';
import { steadyTime } from '../host/clock.ts';
import { printError, printIfPossible } from '../host/console.ts';
import { ensureDirectory, readText } from '../host/files.ts';
import { readListeners } from '../host/listeners.ts';
import { LoadScript } from '../host/load-script.ts';
import { LoadMeter } from '../host/server-load.ts';
import { HostServer } from '../host/server.ts';
import { claim, everySignal, freeMemory, startTimer } from '../host/system.ts';
import { StatusSocket, statusSocket } from '../host/status-socket.ts';
import { healthOf } from '../server/health.ts';
import { channelStatus, formatServerState, serverStatus } from '../server/status.ts';
import { Listener } from './listener.ts';
import { ServerController } from './server-controller.ts';

/** Events come in bursts (a device appears with its addresses); one reconciliation answers them all. */
const SETTLE = 20;
/** Milliseconds until a failed reconciliation is tried again; doubled each time. */
const FIRST_RETRY = 1000;
const LONGEST_RETRY = 60_000;

/**
 * `oneip server`: keeps this machine a server until SIGTERM or SIGINT, and then leaves it as it was. SIGHUP reads the
 * configuration again. Resolves with the exit status.
 */
export async function runServer(invocation: Invocation): Promise<number> {
  const file = optionValue(invocation, 'config');
  const state = optionValue(invocation, 'state');
  const name = invocation.options.get('name');
  const text = readText(file);
  ensureDirectory(state);
  if (!claim(`${state}/daemon.lock`)) {
    printError(`oneip: another daemon runs with ${state}\n`);
    return 1;
  }
  const daemon = new ServerDaemon({ file, state, ...(name === undefined ? {} : { name }) });
  return daemon.run(text);
}

interface Places {
  /** The configuration. */
  readonly file: string;
  /** Directory of what outlives this process. */
  readonly state: string;
  readonly name?: string;
}

class ServerDaemon {
  readonly #file: string;
  readonly #host: HostServer;
  readonly #controller: ServerController;
  readonly #listener: Listener;
  readonly #load = new LoadMeter();
  readonly #loadScript = new LoadScript(log);
  readonly #state: string;
  #status: StatusSocket | undefined;
  #model: Model | undefined;
  #settling: { cancel(): void } | undefined;
  #retry = FIRST_RETRY;
  #ending = false;

  constructor({ file, state, name }: Places) {
    this.#file = file;
    this.#state = state;
    this.#host = new HostServer(state, {
      log,
      changed: () => {
        this.#reconcileSoon(SETTLE);
      },
      distrusted: (reason) => {
        log(`${reason}; loading it again`);
        this.#controller.distrust();
        this.#reconcileSoon(0);
      },
    });
    this.#controller = new ServerController({
      host: this.#host,
      log,
      ...(name === undefined ? {} : { name }),
      settled: () => {
        if (this.#controller.state) this.#host.remember(formatServerState(this.#controller.state));
      },
    });
    this.#listener = new Listener({
      ...{ clock: steadyTime, startTimer, randomLife, authenticator, log },
      open: (place, received) => new ChannelSocket(place, received),
      healthOf: (services) => healthOf(services, readListeners()),
      loadOf: () => {
        const script = this.#loadScript.value;
        return { ...this.#load.read(), ...(script === undefined ? {} : { script }) };
      },
      setOwned: (service, owned, flows) => this.#controller.setOwned(service, owned, flows),
      openFlows: (service, family, slots) => this.#host.openFlows(service, family, slots),
      endedFlows: (flows) => this.#host.endedFlows(flows),
      lease: (milliseconds) => this.#controller.lease(milliseconds),
    });
  }

  async run(text: string): Promise<number> {
    const ended = new Promise<void>((resolve) => {
      everySignal(['SIGTERM', 'SIGINT'], () => resolve());
    });
    // Whoever finds the lock taken may send it. It waits for its turn, and until then all is done in one.
    everySignal(['SIGHUP'], () => this.#reload());
    try {
      const { model } = loadConfiguration(text, this.#file);
      // Who has which slots only the router knows: until it is heard, or has not been for a while, nothing is taken.
      for (const { services } of channelsOf(model).values()) {
        for (const { name } of services.filter(isFlooded)) this.#controller.setOwned(name, {});
      }
      this.#controller.configure(text, this.#file);
      this.#listen(model);
      this.#tell();
    } catch (error) {
      this.#stop(true);
      throw error;
    }
    freeMemory();
    log('ready');
    await ended;
    this.#stop(false);
    return 0;
  }

  /** Leaves the machine as it was. Where something was failing already, says what else has. */
  #stop(failing: boolean): void {
    this.#ending = true;
    this.#settling?.cancel();
    this.#listener.close();
    this.#status?.close();
    this.#loadScript.close();
    try {
      for (const line of this.#host.close()) log(line);
      log('stopped; the server is as it was');
    } catch (error) {
      if (!failing) throw error;
      log(reasonOf(error));
    }
  }

  /** Has those who ask for the status answered. */
  #tell(): void {
    try {
      this.#status = new StatusSocket(statusSocket(this.#state), () => {
        const { state } = this.#controller;
        const standing = this.#listener.standing();
        const channel = standing ? { channel: channelStatus(standing) } : {};
        return state ? `${JSON.stringify({ ...serverStatus(state), ...channel })}\n` : '';
      });
    } catch (error) {
      log(`the status tells nothing of the channel: ${reasonOf(error)}`);
    }
  }

  #reload(): void {
    if (this.#ending) return;
    try {
      const text = readText(this.#file);
      const taken = this.#controller.configure(text, this.#file);
      if (taken) this.#listen(loadConfiguration(text, this.#file).model);
      log(taken ? 'reloaded' : 'not reloaded: the configuration has errors; going on with the one in force');
    } catch (error) {
      log(`not reloaded: ${reasonOf(error)}; going on with the configuration in force`);
      this.#reconcileSoon(0);
    }
    freeMemory();
  }

  /** Has the channel know the configuration, and where this machine is attached. */
  #listen(model: Model): void {
    this.#model = model;
    const { key, loadScript } = model.globals;
    this.#loadScript.configure(key === undefined ? undefined : loadScript);
    const { state } = this.#controller;
    if (state) this.#listener.update({ model, identity: state.identity, attachment: state.attachment });
  }

  #reconcileSoon(delay: number): void {
    this.#settling?.cancel();
    if (this.#ending) return;
    this.#settling = startTimer(() => {
      this.#reconcile();
    }, delay);
  }

  #reconcile(): void {
    try {
      this.#controller.reconcile();
      if (this.#model) this.#listen(this.#model);
      this.#retry = FIRST_RETRY;
    } catch (error) {
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
