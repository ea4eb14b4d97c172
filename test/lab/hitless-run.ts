import { Random } from '../unit/support/random.ts';
import type { ControlClient, Heard } from './control-client.ts';
import { Fleet } from './hitless-fleet.ts';
import { elapse, HitlessClients, type ClientCounts } from './hitless-clients.ts';
import { causeOfAttempt, causeOfBreak, causeOfLoss, mayBeDropped, wentWell, type Cause } from './hitless-judge.ts';
import type { Lab } from './lab.ts';
import { MachineDrops } from './machine-drops.ts';
import { configuration, figure } from './scenario.ts';
import { echoPort } from './servers.ts';
import type { Server } from './topology.ts';
import { clock, type Attempt, type Break, type Loss } from './traffic-load.ts';
import { uciSection, type UciOptions } from './uci.ts';

/** Milliseconds; the service's options of these names. */
export const learnTime = 1_500;
export const idleTimeout = 3_000;
/** Servers that are not in the configuration, and added at run time. */
const spare = 2;
/** Servers that stay well and in use, whatever chance wants. */
const fewest = 3;
/**
 * Milliseconds in which what either watchdog finds takes effect: twice the longer of time-out and interval, and as much for orders
 * that are being carried out at the time.
 */
const settle = 4_000;

const causes: readonly Cause[] = ['killed', 'cut', 'alias', 'stopped'];

/**
 * The service `web` of a run, for TCP and UDP, with two watchdogs: `echo` notices servers that refuse or do not answer, `page`
 * those whose kernel still takes connections for a process that was stopped.
 */
export function hitlessConfiguration(lab: Lab, service: UciOptions): string {
  const servers = lab.servers.slice(0, -spare);
  const options = {
    port: [80, echoPort],
    source: ['wan'],
    drain_timeout: '10m',
    idle_timeout: `${idleTimeout}ms`,
    learn_time: `${learnTime}ms`,
    ...service,
  };
  const judging = { service: ['web'], fall: 2, rise: 2, half_life: '2s' };
  return [
    configuration({ ...lab, servers }, { web: { options } }),
    uciSection('watchdog', 'echo', { type: 'tcp', port: echoPort, interval: '100ms', timeout: '200ms', ...judging }),
    uciSection('watchdog', 'page', { type: 'http', port: 80, interval: '500ms', timeout: '1s', ...judging }),
  ].join('');
}

export interface RunOptions {
  readonly seed: number;
  readonly counts: ClientCounts;
  /** Seconds of random actions. Between one and the next all clients connect anew, and the transition must end by itself. */
  readonly rounds: readonly number[];
}

interface Row {
  readonly time: number;
  readonly what: string;
  readonly open: ReadonlyMap<string, number>;
}

/** What nothing excuses, and what there was at all. */
export interface RunReport {
  readonly breaks: readonly Break[];
  readonly attempts: readonly Attempt[];
  readonly losses: readonly Loss[];
  readonly falseAlarms: readonly Heard[];
  /** Orders that were refused, and reports of `drained` that were not true. */
  readonly complaints: readonly string[];
  readonly actions: number;
  readonly attempted: number;
  /** Flows that broke with their server, by cause. */
  readonly excused: ReadonlyMap<string, number>;
  /** Transitions that ended by themselves. */
  readonly transitions: number;
  /** Servers that were added at run time, and have got clients. */
  readonly served: readonly string[];
}

/** Where a server stands, as it has been ordered. */
interface Place {
  readonly server: Server;
  inService: boolean;
  order: 'auto' | 'up' | 'drain';
  /** It was ordered in or out, and that has not been answered yet: until then orders are judged by what was before. */
  isChanging: boolean;
  /** Its last order has not been answered yet: clients may go where they went before. */
  isUnanswered: boolean;
  /** When it was taken out of use last. */
  left: number;
}

interface Action {
  /** How often it is chosen, relative to the others. */
  readonly weight: number;
  readonly what: string;
  perform(): Promise<unknown>;
}

/** Clients, servers and an operator who does at random whatever may be done, while everything is written down. */
export class HitlessRun {
  readonly #control: ControlClient;
  readonly #fleet: Fleet;
  readonly #clients: HitlessClients;
  readonly #random: Random;
  readonly #options: RunOptions;
  readonly #places: readonly Place[];
  readonly #rows: Row[] = [];
  readonly #complaints: string[] = [];
  readonly #pending = new Set<Promise<unknown>>();
  readonly #served = new Set<string>();
  readonly #begin = clock();
  readonly #drops = new MachineDrops();
  #actions = 0;

  constructor(lab: Lab, control: ControlClient, options: RunOptions) {
    this.#control = control;
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#fleet = new Fleet(lab, control, settle);
    this.#clients = new HitlessClients(lab, options.counts);
    this.#places = lab.servers.map((server, index) => ({
      server,
      inService: index < lab.servers.length - spare,
      order: 'auto',
      isChanging: false,
      isUnanswered: false,
      left: -Infinity,
    }));
    control.onEvent((event) => {
      this.#checkDrained(event);
      const { action, server = '', reason = '' } = event;
      if (action === 'down' || action === 'up') this.#note(`- ${server} is ${action}: ${reason}`);
      else if (action === 'drained') this.#note(`- ${server} is drained`);
      else if (action === 'transition') this.#note('- nothing is kept any more');
    });
  }

  /** Runs it all; rejects only where the lab itself does not work, or a transition does not end. */
  async run(): Promise<RunReport> {
    await this.#clients.open();
    for (const [index, seconds] of this.#options.rounds.entries()) {
      if (index > 0) await this.#rest();
      await this.#actAtRandom(seconds * 1_000);
    }
    await this.#rest();
    this.#note('the end');
    await this.#clients.end();
    this.#drops.end();
    return this.#report();
  }

  async #actAtRandom(duration: number): Promise<void> {
    const end = clock() + duration;
    for (;;) {
      // Four of ten follow in the same moment, or before the last one has been digested.
      await elapse(this.#random.below(10) < 4 ? this.#random.below(150) : 200 + this.#random.below(1_300));
      if (clock() > end) break;
      const action = this.#choose();
      this.#actions += 1;
      this.#note(action.what);
      this.#start(action.perform());
    }
    await this.#finished();
  }

  /** All servers well again, all clients connected anew: what has been moved must be forgotten by itself. */
  async #rest(): Promise<void> {
    await this.#fleet.settled();
    // Flows that begin while the daemon learns would be taken for old ones.
    await elapse(learnTime + 100);
    this.#note('clients connect anew');
    const heard = this.#control.events.length;
    await this.#clients.reopen();
    const { transition } = await this.#control.service('web');
    if (transition) {
      const over = this.#control.until(({ action }) => action === 'transition', idleTimeout + 6_000, heard);
      await over.catch(() => undefined);
    }
    const { transition: left } = await this.#control.service('web');
    if (left) this.#complaints.push(`a transition goes on: ${JSON.stringify(left, textOfBigInts)}`);
  }

  #choose(): Action {
    const actions = this.#places.flatMap((place) => this.#actionsOn(place));
    let left = this.#random.below(actions.reduce((sum, { weight }) => sum + weight, 0));
    for (const action of actions) {
      left -= action.weight;
      if (left < 0) return action;
    }
    throw new Error('nothing may be done');
  }

  /** What may be done about a server so that enough others are left. */
  #actionsOn(place: Place): Action[] {
    const { server, inService, order } = place;
    const { name } = server;
    const isFailing = this.#fleet.outage(name) !== undefined;
    const isNeeded = this.#isActive(place) && this.#places.filter((one) => this.#isActive(one)).length <= fewest;
    if (place.isChanging) return [];
    if (!inService) return isFailing ? [] : [{ weight: 4, what: `add ${name}`, perform: () => this.#add(place) }];
    const actions = [this.#reweight(place)];
    if (order === 'drain') {
      actions.push(this.#set(place, 'auto', 4));
      if (!isFailing) actions.push(this.#set(place, 'up', 2));
    } else if (!isNeeded) {
      actions.push(this.#set(place, 'drain', 3), this.#remove(place));
    }
    // Nobody watches a server that an operator has declared well.
    const failing = this.#places.filter((one) => this.#fleet.outage(one.server.name)).length;
    if (!isNeeded && !isFailing && order !== 'up' && failing < 2) {
      for (const cause of causes)
        actions.push({ weight: 1, what: `${name} ${cause}`, perform: () => this.#fail(place, cause) });
    }
    return actions;
  }

  #isActive({ server, inService, isChanging, order }: Place): boolean {
    return inService && !isChanging && order !== 'drain' && !this.#fleet.outage(server.name);
  }

  #reweight({ server }: Place): Action {
    const weight = 20 + this.#random.below(280);
    return {
      weight: 2,
      what: `weight ${server.name} ${weight}`,
      perform: () => this.#control.order('set_weight', { server: server.name, service: 'web', weight }),
    };
  }

  #set(place: Place, state: Place['order'], weight: number): Action {
    const server = place.server.name;
    return {
      weight,
      what: `${state} ${server}`,
      perform: async () => {
        place.order = state;
        const outage = this.#fleet.outage(server);
        if (outage && state !== 'drain') outage.inUse = true;
        const timeout = state === 'up' ? { timeout: 2 } : {};
        place.isUnanswered = true;
        await this.#control.order('set_server', { server, service: 'web', state, ...timeout });
        place.isUnanswered = false;
        if (state === 'drain') place.left = clock();
        if (state !== 'up') return;
        await elapse(2_500);
        if (place.order === 'up') place.order = 'auto';
      },
    };
  }

  #remove(place: Place): Action {
    const server = place.server.name;
    return {
      weight: 2,
      what: `remove ${server}`,
      perform: async () => {
        Object.assign(place, { inService: false, order: 'auto', isChanging: true });
        await this.#control.order('remove_server', { server, service: 'web' });
        Object.assign(place, { isChanging: false, left: clock() });
      },
    };
  }

  async #add(place: Place): Promise<void> {
    const { name, address } = place.server;
    Object.assign(place, { inService: true, order: 'auto', isChanging: true });
    const weight = 50 + this.#random.below(150);
    await this.#control.order('add_server', {
      server: name,
      service: 'web',
      address: address[4],
      address6: address[6],
      weight,
    });
    place.isChanging = false;
    const { attempts } = this.#clients.load;
    const from = attempts.length;
    await this.#clients.load.until(`${name} gets clients`, 20_000, () => {
      return !this.#isActive(place) || attempts.slice(from).some(({ server }) => server === name);
    });
    if (attempts.slice(from).some(({ server }) => server === name)) this.#served.add(name);
  }

  async #fail(place: Place, cause: Cause): Promise<void> {
    const { server } = place;
    const pause = 100 + this.#random.below(3_000);
    const inUse = this.#isActive(place) || place.isUnanswered;
    await this.#fleet.fail(server, cause, { inUse, isLearnt: clock() < place.left + learnTime });
    await elapse(pause);
    this.#note(`${server.name} mended`);
    await this.#fleet.mend(server);
  }

  #start(deed: Promise<unknown>): void {
    const noted = deed.catch((error: unknown) => this.#complaints.push(String(error)));
    this.#pending.add(noted);
    void noted.finally(() => this.#pending.delete(noted));
  }

  async #finished(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  /** Whoever is told that a server is drained may unplug it. */
  #checkDrained({ action, server = '' }: Heard): void {
    if (action !== 'drained') return;
    const open = this.#clients.load.openByServer().get(server) ?? 0;
    const place = this.#places.find((one) => one.server.name === server);
    if (open > 0 && place?.order === 'drain' && !this.#fleet.outage(server)) {
      this.#complaints.push(`${server} is said to be drained, with ${open} flows`);
    }
  }

  #note(what: string): void {
    this.#rows.push({ time: clock(), what, open: this.#clients.load.openByServer() });
  }

  #report(): RunReport {
    const { load } = this.#clients;
    const { outages, falseAlarms } = this.#fleet;
    const drops = this.#drops.times;
    const excused = new Map<string, number>();
    for (const broken of load.breaks) {
      const cause = causeOfBreak(broken, outages);
      if (cause !== undefined) excused.set(cause, (excused.get(cause) ?? 0) + 1);
    }
    this.#print(excused);
    return {
      breaks: load.breaks.filter((broken) => causeOfBreak(broken, outages) === undefined),
      attempts: load.attempts.filter(
        (one) => !wentWell(one, load.stalls, drops) && causeOfAttempt(one, outages) === undefined,
      ),
      losses: load.losses.filter(
        (loss) => causeOfLoss(loss, outages) === undefined && !mayBeDropped(loss.since, drops),
      ),
      falseAlarms,
      complaints: this.#complaints,
      actions: this.#actions,
      attempted: load.attempts.length,
      excused,
      transitions: this.#control.events.filter(({ action }) => action === 'transition').length,
      served: [...this.#served],
    };
  }

  /** The table of the run: every action, the flows open at that time, and what broke until the next. */
  #print(excused: ReadonlyMap<string, number>): void {
    const { breaks, attempts, stalls } = this.#clients.load;
    const drops = this.#drops.times;
    const isWell = (one: Attempt) => wentWell(one, stalls, drops);
    const { outages } = this.#fleet;
    const names = this.#places.map(({ server }) => server.name);
    const lines = [
      `${'s'.padStart(7)}  ${'action'.padEnd(44)}${names.map((name) => name.padStart(5)).join('')}  broken`,
    ];
    for (const [index, { time, what, open }] of this.#rows.entries()) {
      const next = this.#rows[index + 1]?.time ?? Infinity;
      const broken = new Map<string, number>();
      for (const one of breaks.filter((found) => found.time >= time && found.time < next)) {
        const cause = causeOfBreak(one, outages) ?? 'WITHOUT CAUSE';
        const whose = `${one.server === '' ? 'new' : one.server} ${cause}`;
        broken.set(whose, (broken.get(whose) ?? 0) + 1);
      }
      const slow = attempts.filter((one) => one.began >= time && one.began < next && !isWell(one));
      for (const one of slow) {
        const whose = `new and slow, ${causeOfAttempt(one, outages) ?? 'WITHOUT CAUSE'}`;
        broken.set(whose, (broken.get(whose) ?? 0) + 1);
      }
      const seconds = ((time - this.#begin) / 1_000).toFixed(2).padStart(7);
      const counts = names.map((name) => String(open.get(name) ?? 0).padStart(5)).join('');
      lines.push(
        `${seconds}  ${what.slice(0, 43).padEnd(44)}${counts}  ${[...broken].map(([whose, n]) => `${whose}: ${n}`).join(', ')}`,
      );
    }
    lines.push(`the clock stood at ${this.#begin.toFixed(3)} when it began`);
    const bad = attempts.filter((one) => !isWell(one));
    const times = attempts.filter(isWell).map(({ began, time }) => time - began);
    times.sort((one, other) => one - other);
    lines.push(
      `${breaks.length} flows broken: ${[...excused].map(([cause, n]) => `${cause} ${n}`).join(', ') || 'none with cause'}; ` +
        `${attempts.length} new connections, ${bad.length} failed or slow, the others in ${times[times.length >> 1]?.toFixed(1)} ms ` +
        `(median), ${times.at(-1)?.toFixed(0)} ms (worst)`,
    );
    const longest = Math.max(...stalls.map(({ since, time }) => time - since));
    if (stalls.length > 0)
      lines.push(
        `the clients stood still ${stalls.length} times, ${longest.toFixed(0)} ms at most: the machine is busy`,
      );
    if (drops.length > 0)
      lines.push(`the machine threw packets away ${drops.length} times: somebody sends more than it takes`);
    for (const line of lines) figure(line);
  }
}

function textOfBigInts(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
