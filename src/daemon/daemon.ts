import { optionValue } from '../cli/arguments.ts';
import type { Invocation } from '../cli/arguments.ts';
import { partOf } from '../cli/package-part.ts';
import { isTranslated } from '../config/model.ts';
import type { Deployment } from '../deployment/deployment.ts';
import { parseSnapshot } from '../membership/snapshot.ts';
import { steadyTime, usedTime } from '../host/clock.ts';
import { ConnectionTally } from '../host/connection-tally.ts';
import { printError, printIfPossible } from '../host/console.ts';
import { ensureDirectory, readText, readTextIfThere, writeText } from '../host/files.ts';
import { Hotplug } from '../host/hotplug.ts';
import { HostProber } from '../host/probe/prober.ts';
import { HostRouter, readSysctls } from '../host/router.ts';
import { ServerWatch } from '../host/server-watch.ts';
import { claim, everySignal, freeMemory, isLittleEndian, nextTurn, startTimer } from '../host/system.ts';
import { parseFailures } from '../membership/failures.ts';
import type { Failure } from '../membership/failures.ts';
import { parseFactors } from '../load/factors.ts';
import type { Factors } from '../load/factors.ts';
import type { MemberChange } from '../membership/members.ts';
import { NO_ORDERS, parseOrders } from '../membership/orders.ts';
import type { ServiceEvent } from '../service/control.ts';
import { publishService } from '../service/object.ts';
import type { Publication } from '../service/object.ts';
import { ReportProber } from '../watchdog/report-prober.ts';
import { createAllocator } from './allocator.ts';
import { AnnouncerOnDemand } from './announcer-on-demand.ts';
import { DaemonControl } from './control.ts';
import { Controller } from './controller.ts';
import type { Heritage } from './controller.ts';
import { memberEvents } from './events.ts';
import { VERSION } from '../version.ts';
import { HealthWatch } from './health-watch.ts';
import { LoadShaping } from './load-shaping.ts';
import type { LoadShapingOptions } from './load-shaping.ts';
import { LoadWatch } from './load-watch.ts';
import type { LoadSource } from '../load/levels.ts';
import { OverflowWatch } from './overflow-watch.ts';
import { ReportedLoads } from './reported-loads.ts';

/** Events come in bursts (a device appears with its addresses and routes); one reconciliation answers them all. */
const SETTLE = 20;
/** Milliseconds until a failed reconciliation is tried again; doubled each time. */
const FIRST_RETRY = 1000;
const LONGEST_RETRY = 60_000;
/** Milliseconds from a transaction until the memory that it took is given back. */
const FREE_AFTER = 100;
/** Timers go no further; a later time is looked for again then. */
const LONGEST_TIMER = 3_600_000;

/** By which time goes for what follows the load. */
export type LoadTime = Pick<LoadShapingOptions, 'clock' | 'startTimer'>;

/**
 * `oneip daemon`: dispatches until SIGTERM or SIGINT, and then leaves the router as it was. SIGHUP reads the configuration
 * again. Resolves with the exit status.
 */
export async function runDaemon(
  invocation: Invocation,
  loadTime: LoadTime = { clock: steadyTime, startTimer },
): Promise<number> {
  const file = optionValue(invocation, 'config');
  const state = optionValue(invocation, 'state');
  ensureDirectory(state);
  if (!claim(`${state}/daemon.lock`)) {
    printError(`oneip: another daemon runs with ${state}\n`);
    return 1;
  }
  const text = readText(file);
  const previous = parseSnapshot(readTextIfThere(`${state}/applied.json`) ?? '');
  const orders = parseOrders(readTextIfThere(`${state}/orders.json`) ?? '');
  const failures = parseFailures(readTextIfThere(`${state}/failures.json`) ?? '');
  const factors = parseFactors(readTextIfThere(`${state}/factors.json`) ?? '');
  const numbers = previous?.numbers ?? new Map<string, number>();
  const heritage = { numbers, orders: orders ?? NO_ORDERS, failures, factors };
  const daemon = new Daemon({ file, state, ubus: optionValue(invocation, 'ubus') }, heritage, loadTime);
  return daemon.run(text);
}

interface Places {
  /** The configuration. */
  readonly file: string;
  /** Directory of what outlives this process. */
  readonly state: string;
  /** Socket of ubusd. */
  readonly ubus: string;
}

interface DaemonHeritage extends Heritage {
  readonly failures: readonly Failure[];
  /** What the load had made of weights, by service. */
  readonly factors: ReadonlyMap<string, Factors>;
}

class Daemon {
  readonly #file: string;
  readonly #router: HostRouter;
  readonly #controller: Controller;
  readonly #health: HealthWatch;
  readonly #servers: ServerWatch;
  readonly #prober: HostProber;
  readonly #reports = new ReportProber(startTimer);
  readonly #announcer: AnnouncerOnDemand;
  readonly #loads: ReportedLoads;
  readonly #shaping: LoadShaping;
  readonly #overflow: OverflowWatch;
  readonly #tally = new ConnectionTally();
  readonly #loadWatch: LoadWatch;
  readonly #control: DaemonControl;
  /** From when there is something to be asked about. */
  #publication: Publication | undefined;
  readonly #hotplug = new Hotplug({ log });
  #settling: { cancel(): void } | undefined;
  /** Goes off when time alone changes something. */
  #turn: { cancel(): void } | undefined;
  #freeing: { cancel(): void } | undefined;
  #watched = '';
  #retry = FIRST_RETRY;
  #failure: string | undefined;
  #ending = false;

  constructor({ file, state, ubus }: Places, heritage: DaemonHeritage, loadTime: LoadTime) {
    this.#file = file;
    this.#router = new HostRouter(state, ubus, {
      log,
      changed: () => {
        this.#controller.lookAgain();
        this.#reconcileSoon(SETTLE);
      },
      rerouted: () => void this.#reroute(),
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
    this.#prober = new HostProber();
    this.#loads = new ReportedLoads({
      clock: steadyTime,
      reporter: (server) => this.#announcer.reporter(server),
      watchdogs: () => this.#controller.configuration?.model.watchdogs ?? [],
    });
    this.#health = new HealthWatch(
      {
        prober: {
          start: (check, target, timeout, done) =>
            check.type === 'report'
              ? this.#reports.start(target, timeout, done)
              : this.#prober.start(check, target, timeout, (result) => {
                  if (check.type === 'script') this.#loads.heard(check.path, target, result);
                  done(result);
                }),
        },
        clock: steadyTime,
        startTimer,
        changed: () => void this.#reconcile(),
      },
      heritage.failures,
    );
    this.#servers = new ServerWatch(({ server, device, source, family, down, reason }) => {
      if (down) this.#health.accuse(source, server, device, reason, family);
      else this.#health.acquit(source, server, device, family);
    });
    this.#announcer = new AnnouncerOnDemand(async () => {
      const load = () => import('./channel-part.ts');
      const { createAnnouncer } = await partOf('oneip-channel', 'the channel to the servers', load);
      const reported = this.#reports.heard.bind(this.#reports);
      return createAnnouncer({ clock: steadyTime, startTimer, log, reported });
    }, log);
    this.#overflow = new OverflowWatch({
      counters: () => this.#router.counters(),
      startTimer,
      full: (service, packets) =>
        this.#tellService('full', service, `no room for ${packets} new connections, which go by the hash`),
      relieved: (service) => this.#tellService('room', service, 'there is room for new connections again'),
    });
    this.#loadWatch = new LoadWatch({
      count: (question) => this.#tally.count(question),
      littleEndian: isLittleEndian(),
      clock: steadyTime,
      used: usedTime,
      ...{ startTimer, turn },
      found: (counted, elapsed) => this.#controller.level([this.#told, counted], elapsed),
      failed: (reason) => log(`the load of servers is not known: ${reason}`),
    });
    this.#shaping = new LoadShaping(
      {
        ...loadTime,
        turn: nextTurn,
        fleet: () => this.#controller.fleet,
        counters: () => this.#router.counters(),
        reported: (service, servers) => this.#loads.of(service, servers),
        reconcile: () => this.#reconcile(),
        keep: (factors) => this.#router.keep('factors', factors),
        moved: (service, slots) => this.#tellService('adapt', service, `${slots} slots have followed the load`),
      },
      heritage.factors,
    );
    this.#controller = new Controller(
      {
        router: this.#router,
        log,
        allocate: createAllocator(async () => {
          await turn();
          this.#controller.giveWay();
        }),
        turn,
        clock: steadyTime,
        defer: (work) => void startTimer(work, 0),
        opinionOf: (service, server) => this.#health.opinionOf(service, server),
        factorsOf: (service) => this.#shaping.factorsOf(service),
        changed: (changes) => this.#tell(changes),
        ended: (service) => {
          log(`${service}: no old connection is kept any more`);
          this.#announce({ action: 'transition', service, reason: 'ended' });
        },
        deployed: (deployment) => this.#watch(deployment),
        committed: () => this.#inform(),
      },
      heritage,
    );
    this.#control = new DaemonControl({
      controller: this.#controller,
      announcer: this.#announcer,
      health: this.#health,
      router: this.#router,
      loads: this.#loadWatch,
      clock: steadyTime,
      littleEndian: isLittleEndian(),
      ...{ version: VERSION, file, turn, readSysctls },
      readFile: () => readText(file),
      writeFile: (text) => writeText(file, text),
      reload: () => this.#reload(),
      failure: () => this.#failure ?? this.#announcer.failure(),
      settled: () => {
        this.#arm();
        this.#freeSoon();
      },
    });
  }

  /**
   * What scripts tell, which somebody has made for it, comes before the number of connections. Processors are at work for other
   * reasons, too.
   */
  readonly #told: LoadSource = (service, servers) => {
    const told = this.#loads.of(
      service,
      servers.map(({ name }) => name),
    );
    return told && told.kind !== 'processor' ? { loads: told.loads, grain: 0 } : undefined;
  };

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
    if (this.#ending) return;
    // Not before: who found no services would take them for gone, and orders would be refused.
    this.#publication = publishService(this.#router.bus, this.#control, { log, now: steadyTime });
    this.#arm();
    freeMemory();
    log('ready');
  }

  /** Leaves the router as it was. Where that was failing already, says what else has. */
  async #stop(failing: boolean): Promise<void> {
    this.#ending = true;
    this.#settling?.cancel();
    this.#turn?.cancel();
    this.#freeing?.cancel();
    this.#health.close();
    this.#servers.close();
    this.#prober.close();
    this.#announcer.close();
    this.#overflow.close();
    this.#loadWatch.close();
    this.#tally.close();
    this.#shaping.close();
    this.#publication?.close();
    this.#hotplug.close();
    await this.#controller.stop();
    try {
      for (const line of await this.#router.close()) log(line);
      log('stopped; the router is as it was');
    } catch (error) {
      if (!failing) throw error;
      log(reasonOf(error));
    }
  }

  async #reload(): Promise<boolean> {
    if (this.#ending) return false;
    let taken = false;
    try {
      taken = await this.#controller.configure(readText(this.#file), this.#file);
      log(taken ? 'reloaded' : 'not reloaded: the configuration has errors; going on with the one in force');
      if (taken) this.#announce({ action: 'reload' });
    } catch (error) {
      if (this.#ending) return false;
      log(`not reloaded: ${reasonOf(error)}; going on with the configuration in force`);
      this.#reconcileSoon(0);
    }
    this.#arm();
    freeMemory();
    return taken;
  }

  #reconcileSoon(delay: number): void {
    this.#settling?.cancel();
    if (this.#ending) return;
    this.#settling = startTimer(() => void this.#reconcile(), delay);
  }

  #reconcile(): Promise<void> {
    return this.#bring(() => this.#controller.reconcile());
  }

  /** Before the rest of what has changed, which may wait for more of its kind. */
  #reroute(): Promise<void> {
    return this.#bring(() => this.#controller.reroute());
  }

  async #bring(change: () => Promise<void>): Promise<void> {
    if (this.#ending) return;
    try {
      await change();
      this.#retry = FIRST_RETRY;
      this.#failure = undefined;
    } catch (error) {
      if (this.#ending) return;
      this.#failure = reasonOf(error);
      log(`${this.#failure}; trying again in ${this.#retry / 1000} s`);
      this.#controller.lookAgain();
      this.#reconcileSoon(this.#retry);
      this.#retry = Math.min(this.#retry * 2, LONGEST_RETRY);
    }
    this.#arm();
    this.#freeSoon();
  }

  /** Gives memory back when the kernel has done with the last transaction, too: earlier it would have us wait. */
  #freeSoon(): void {
    this.#freeing?.cancel();
    if (!this.#ending) this.#freeing = startTimer(freeMemory, FREE_AFTER);
  }

  /** Waits for what time alone will change. */
  #arm(): void {
    this.#turn?.cancel();
    this.#turn = undefined;
    const delay = this.#controller.nextTurn() - steadyTime();
    if (this.#ending || delay === Infinity) return;
    this.#turn = startTimer(() => void this.#reconcile(), Math.min(Math.max(delay, 1), LONGEST_TIMER));
  }

  #watch(deployment: Deployment): void {
    this.#overflow.follow(deployment.services.map(({ service }) => service));
    this.#loadWatch.follow(deployment);
    const { services = [], watchdogs = [] } = this.#controller.configuration?.model ?? {};
    this.#shaping.follow(services);
    const watched = JSON.stringify([
      watchdogs,
      deployment.markBase,
      deployment.services.map(({ service, device, servers }) => [
        ...[service.name, service.dispatch, service.ghosts, service.ports, device.name, device.ifindex],
        servers.map(({ name, number, address, address6, port }) => [name, number, address?.text, address6?.text, port]),
      ]),
    ]);
    if (watched === this.#watched) return;
    this.#watched = watched;
    // First, since following tells at once what speaks against the servers.
    this.#health.configure(deployment, watchdogs);
    this.#servers.follow(
      deployment.services.flatMap(({ service, device: { name, ifindex }, servers, ghosts }) =>
        servers.flatMap((server) =>
          [server.address, server.address6].flatMap((address) =>
            address
              ? {
                  server: server.name,
                  address,
                  device: { name, ifindex },
                  ghosts: isTranslated(service)
                    ? []
                    : ghosts.map((ghost) => ghost.address).filter(({ family }) => family === address.family),
                  mark: (deployment.markBase + server.number) >>> 0,
                }
              : [],
          ),
        ),
      ),
    );
  }

  /** Tells the servers what is in force. */
  #inform(): void {
    const { configuration, deployment, fleet } = this.#controller;
    if (configuration && deployment) this.#announcer.update({ model: configuration.model, deployment, fleet });
  }

  #tell(changes: readonly MemberChange[]): void {
    for (const event of memberEvents(changes)) {
      const { action, service, server, reason } = event;
      log(`${service ?? ''}: ${server ?? ''} ${action}${reason ? ` (${reason})` : ''}`);
      this.#announce(event);
    }
  }

  #tellService(action: string, service: string, reason: string): void {
    log(`${service}: ${reason}`);
    this.#announce({ action, service, reason });
  }

  #announce(event: ServiceEvent): void {
    this.#publication?.announce(event);
    this.#hotplug.run(event);
  }
}

function log(line: string): void {
  printIfPossible(`oneip: ${line}\n`);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
