import type { Check } from '../config/model.ts';
import type { Family } from '../net/address.ts';
import type { PlannedProbe, ProbePlan, Subject } from './plan.ts';
import type { ProbeResult, ProbeTarget } from './prober.ts';
import { GRAIN, spread } from './spread.ts';
import { Standing } from './standing.ts';
import { TimeHeap } from './time-heap.ts';
import type { EvidenceSource, Health } from './watchdog.ts';
import { type Counter, WatchedProbe, judge } from './watched-probe.ts';
import { WatchedServer, contradicts } from './watched-server.ts';

/** A probe to start now: the arguments of `Prober.start`. The same object through reloads, as long as the probe is planned. */
export interface Probe {
  readonly check: Check;
  readonly target: ProbeTarget;
  /** Milliseconds. */
  readonly timeout: number;
}

/** A verdict that has changed: the server went up or down. */
export interface Change {
  readonly service: string;
  readonly server: string;
  readonly health: Health;
}

/** What the passing of time brings. */
export interface Advance {
  /** Probes to start now; each is told to `result` once, when it has ended. */
  readonly start: readonly Probe[];
  readonly changes: readonly Change[];
}

/** What a program says about a server. */
export interface HealthReport {
  readonly server: string;
  /** Absent: in all its services. */
  readonly service?: string;
  readonly up: boolean;
  readonly reason?: string;
  /** Milliseconds that it holds; absent: what a watchdog of type `ubus` says, else 60000. */
  readonly ttl?: number;
}

/** A server against which something speaks is asked within this time, however long the interval; milliseconds. */
const ASKED_WITHIN = 1000;

const NO_CHANGES: readonly Change[] = [];

/**
 * Judges servers by probes, reports and events. Does nothing by itself: its owner calls `advance` at the time that `next`
 * tells, starts the probes, and brings the results. All times are milliseconds of one clock that never goes back. Every
 * method that takes something in returns the verdicts which that changed; afterwards `next` may be sooner.
 */
export class HealthMonitor {
  /** By service and server. */
  #standings = new Map<string, Standing>();
  /** By device and server. */
  #servers = new Map<string, WatchedServer>();
  #probes = new Map<string, WatchedProbe>();
  readonly #turns = new TimeHeap<WatchedProbe>();
  readonly #deadlines = new TimeHeap<Standing>();
  /** Counts what happens, since the clock does not tell what came first within a millisecond. */
  #order = 0;

  /** Takes a plan in place of the one before. What is known of probes and servers that are in both stays. */
  configure(plan: ProbePlan, now: number): readonly Change[] {
    const servers = this.#servers;
    const standings = this.#standings;
    this.#servers = new Map();
    this.#standings = new Map();
    for (const subject of plan.subjects) this.#addSubject(subject, servers, standings, now);
    for (const standing of standings.values()) this.#deadlines.remove(standing);

    const probes = this.#probes;
    this.#probes = new Map();
    for (const planned of plan.probes) this.#addProbe(planned, probes);
    for (const [key, probe] of probes) if (!this.#probes.has(key)) this.#turns.remove(probe);
    this.#spread(now);
    for (const standing of this.#standings.values()) standing.settle();
    return this.#assess([...this.#standings.values()], now);
  }

  /** When `advance` is to be called again; `Infinity`: only after another call. */
  next(): number {
    const turn = this.#turns.first()?.at ?? Infinity;
    return Math.min(Math.ceil(turn / GRAIN) * GRAIN, this.#deadlines.first()?.at ?? Infinity);
  }

  /** Lets time pass. Turns that were missed are not made up for. */
  advance(now: number): Advance {
    const start: Probe[] = [];
    for (let probe = this.#turns.first(); probe && probe.at <= now; probe = this.#turns.first()) {
      if (probe.running) {
        probe.waiting = true;
        this.#turns.remove(probe);
        continue;
      }
      probe.running = true;
      probe.order = ++this.#order;
      this.#turns.set(probe, probe.nextTurn(now));
      start.push(probe);
    }
    return { start, changes: this.#expire(now) };
  }

  /** A probe has ended. Ignored where it is no longer planned. */
  result(probe: Probe, result: ProbeResult, now: number): readonly Change[] {
    if (!(probe instanceof WatchedProbe) || !probe.running || this.#probes.get(probe.key) !== probe) return NO_CHANGES;
    probe.running = false;
    if (probe.waiting) {
      probe.waiting = false;
      this.#turns.set(probe, now);
    }
    if (!result.passed && probe.order <= probe.server.excused) return NO_CHANGES;
    probe.note(result, now);
    if (result.refused && probe.doubts) this.#hastenTurn(probe, now + probe.soon);
    let suspects: Standing[] | undefined;
    const { server } = probe;
    if (result.passed && !server.clear) {
      server.contradict(probe.check, probe.target.ghost.family, probe.order);
      suspects = [...server.standings];
    }
    for (const counter of probe.counters) {
      const up = judge(counter);
      if (up === counter.up && probe.run !== counter.rise && probe.run !== 1) continue;
      counter.up = up;
      suspects = [...(suspects ?? []), ...counter.standings];
    }
    return suspects ? this.#assess(suspects, now) : NO_CHANGES;
  }

  /** Somebody knows how a server is. Ignored where the server is unknown. */
  report({ service, server, up, reason, ttl }: HealthReport, now: number): readonly Change[] {
    const meant = [...this.#standings.values()].filter(
      ({ subject }) => subject.server === server && (service === undefined || subject.service === service),
    );
    for (const standing of meant) standing.state(up, reason, now + (ttl ?? standing.subject.reportTtl));
    return this.#assess(meant, now);
  }

  /**
   * Something speaks against a server on a device, in all services that have it there: it is down at once. With `family`,
   * only for services that have clients of that family.
   */
  accuse(
    source: EvidenceSource,
    server: string,
    device: string,
    reason: string,
    now: number,
    family?: Family,
  ): readonly Change[] {
    const accused = this.#servers.get(serverKey(device, server));
    if (!accused) return NO_CHANGES;
    if (accused.accuse({ source, family, reason, order: ++this.#order, at: now })) this.#hasten(accused, now);
    return this.#assess(accused.standings, now);
  }

  /** What a source had against a server no longer holds: in one family, or altogether. */
  acquit(source: EvidenceSource, server: string, device: string, now: number, family?: Family): readonly Change[] {
    const accused = this.#servers.get(serverKey(device, server));
    if (!accused || accused.clear) return NO_CHANGES;
    if (accused.acquit(source, family) && source !== 'icmp') this.#excuse(accused);
    return this.#assess(accused.standings, now);
  }

  /** As of the last call; `undefined` where the service has no such server. */
  verdict(service: string, server: string): Health | undefined {
    return this.#standings.get(subjectKey(service, server))?.health();
  }

  #addSubject(
    subject: Subject,
    oldServers: ReadonlyMap<string, WatchedServer>,
    oldStandings: Map<string, Standing>,
    now: number,
  ): void {
    const home = serverKey(subject.device, subject.server);
    let server = this.#servers.get(home);
    if (!server) {
      server = new WatchedServer(subject);
      const oldServer = oldServers.get(home);
      if (oldServer && equal(oldServer.addresses, subject.addresses)) server.inherit(oldServer);
      this.#servers.set(home, server);
    }
    const key = subjectKey(subject.service, subject.server);
    let standing = oldStandings.get(key);
    if (standing && equal(standing.subject.addresses, subject.addresses)) {
      oldStandings.delete(key);
      standing.configure(subject, server, now);
    } else standing = new Standing(subject, server, now);
    server.standings.push(standing);
    this.#standings.set(key, standing);
  }

  #addProbe(planned: PlannedProbe, before: ReadonlyMap<string, WatchedProbe>): void {
    const { check, target, counters } = planned;
    const server = this.#servers.get(serverKey(target.device.name, target.server));
    if (!server) return;
    const old = before.get(planned.key);
    const probe = old ?? new WatchedProbe(planned, server);
    probe.server = server;
    probe.target = target;
    if (contradicts(check, 'icmp')) server.probed.add(target.ghost.family);
    const verdicts = new Map(probe.counters.map(({ watchdog, up }) => [watchdog, up] as const));
    const upSoFar = probe.counters.every(({ up }) => up);
    probe.counters = counters.map(({ watchdog, rise, fall, subjects }) => {
      const standings = subjects.flatMap(
        ({ service, server }) => this.#standings.get(subjectKey(service, server)) ?? [],
      );
      const counter: Counter = { probe, watchdog, rise, fall, up: verdicts.get(watchdog) ?? upSoFar, standings };
      counter.up = judge(counter);
      for (const standing of standings) standing.counters.push(counter);
      return counter;
    });
    this.#probes.set(planned.key, probe);
  }

  /** Gives every probe its place in time, and those that are new their first turn. */
  #spread(now: number): void {
    for (const { question: probe, phase, index, count } of spread(this.#probes.values())) {
      probe.phase = phase;
      if (probe.place < 0 && !probe.running) this.#turns.set(probe, probe.firstTurn(now, index, count));
    }
  }

  /**
   * A server can be reached again. What went unanswered meanwhile tells of then, and so does what is still under way: without
   * this, a server whose cable is back would be taken out by the last question that got lost on it.
   */
  #excuse(server: WatchedServer): void {
    server.excused = ++this.#order;
    for (const probe of this.#probes.values()) if (probe.server === server) probe.forgetDoubts();
  }

  /** Asks a server soon whether it is true what is said of it. */
  #hasten(server: WatchedServer, now: number): void {
    for (const probe of this.#probes.values()) {
      if (probe.server === server) this.#hastenTurn(probe, now + ASKED_WITHIN);
    }
  }

  #hastenTurn(probe: WatchedProbe, at: number): void {
    if (probe.place >= 0 && probe.at > at) this.#turns.set(probe, at);
  }

  #expire(now: number): readonly Change[] {
    let due: Standing[] | undefined;
    for (let first = this.#deadlines.first(); first && first.at <= now; first = this.#deadlines.first()) {
      this.#deadlines.remove(first);
      first.server.expire(now);
      due ??= [];
      due.push(first);
    }
    return due ? this.#assess(due, now) : NO_CHANGES;
  }

  #assess(standings: readonly Standing[], now: number): readonly Change[] {
    const changes: Change[] = [];
    for (const standing of standings) {
      const changed = standing.assess(now);
      const deadline = standing.deadline();
      if (deadline === Infinity) this.#deadlines.remove(standing);
      else this.#deadlines.set(standing, deadline);
      if (!changed) continue;
      const { service, server } = standing.subject;
      changes.push({ service, server, health: standing.health() });
    }
    return changes.length > 0 ? changes : NO_CHANGES;
  }
}

/** Names of sections hold no slash. */
function subjectKey(service: string, server: string): string {
  return `${service}/${server}`;
}

/** Names of devices hold no slash either. */
function serverKey(device: string, server: string): string {
  return `${device}/${server}`;
}

function equal(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((text, index) => text === others[index]);
}
