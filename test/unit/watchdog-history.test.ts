import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HealthMonitor, type Probe } from '../../src/watchdog/monitor.ts';
import { planOf, web } from './watchdog-drill.ts';

// Random histories, and what a reader of the documentation would make of them: everything that happened is kept, and the
// verdict is worked out anew from the whole of it.

const RISE = 2;
const FALL = 3;
const sources = ['neighbour', 'link', 'icmp'] as const;
const common = `option interval '100ms'\noption timeout '100ms'\noption rise '${RISE}'\noption fall '${FALL}'\noption half_life '0'`;
const uci = web(`option type 'ping'\n${common}`, `option type 'tcp'\n${common}\nlist server 'anna'`);
const plan = planOf(uci);

type Event =
  | { readonly kind: 'wait'; readonly time: number }
  | { readonly kind: 'results'; readonly passed: readonly boolean[] }
  | { readonly kind: 'accuse' | 'acquit'; readonly server: string; readonly source: (typeof sources)[number] }
  | { readonly kind: 'report'; readonly server: string; readonly up: boolean; readonly ttl: number }
  | { readonly kind: 'reload' };

const server = fc.constantFrom('anna', 'bert');
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('wait' as const), time: fc.integer({ min: 0, max: 300 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('results' as const),
      passed: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
    }),
  },
  fc.record({
    kind: fc.constantFrom('accuse' as const, 'acquit' as const),
    server,
    source: fc.constantFrom(...sources),
  }),
  fc.record({ kind: fc.constant('report' as const), server, up: fc.boolean(), ttl: fc.integer({ min: 1, max: 500 }) }),
  fc.constant({ kind: 'reload' as const }),
);

/** What happened to a server so far. */
class Record {
  /** By type of check, the oldest first; `undefined`: failures before do not count. */
  readonly results = new Map<string, (boolean | undefined)[]>();
  readonly evidence = new Map<string, number>();
  statement: { readonly up: boolean; readonly until: number } | undefined;
  isUp = true;
  /** Failures of probes begun up to this step do not count. */
  #excused = 0;

  note(type: string, passed: boolean, begun: number): void {
    if (passed || begun > this.#excused) this.results.set(type, [...(this.results.get(type) ?? []), passed]);
  }

  /** Nothing but answers tells how a server is that could not be reached. */
  acquit(source: string, step: number): void {
    if (!this.evidence.delete(source) || source === 'icmp') return;
    this.#excused = step;
    for (const [type, results] of this.results) if (isWell(results)) this.results.set(type, [...results, undefined]);
  }

  /** To be called after everything that happens. */
  judge(now: number): void {
    const results = [...this.results.values()];
    const isSaidDown = this.statement !== undefined && now < this.statement.until && !this.statement.up;
    const isLost = this.evidence.size > 0 || isSaidDown || !results.every(isWell);
    this.isUp = !isLost && (this.isUp || results.every((passed) => passed.at(-1) !== false));
  }
}

/** Down with the last `FALL` failures in a row that no `RISE` successes in a row followed. */
function isWell(results: readonly (boolean | undefined)[]): boolean {
  const text = results.map((passed) => (passed === undefined ? ' ' : passed ? '+' : '-')).join('');
  return text.lastIndexOf('+'.repeat(RISE)) >= text.lastIndexOf('-'.repeat(FALL));
}

test('history: the verdict is what all that happened comes to, and every change of it is told', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 80 }), (events) => {
      const monitor = new HealthMonitor();
      let now = 5000;
      let steps = 0;
      const records = new Map(['anna', 'bert'].map((name) => [name, new Record()] as const));
      const told = new Map<string, boolean>([
        ['anna', true],
        ['bert', true],
      ]);
      const running = new Map<Probe, number>();
      const record = (name: string): Record => records.get(name) ?? new Record();
      const take = (changes: ReturnType<HealthMonitor['configure']>): void => {
        for (const { server, health } of changes) {
          assert.is.not(told.get(server), health.up, 'a change that is none');
          told.set(server, health.up);
        }
      };
      const wake = (): void => {
        const { start, changes } = monitor.advance(now);
        take(changes);
        for (const seen of records.values()) seen.judge(now);
        for (const probe of start) {
          assert.not.ok(running.has(probe), 'started twice');
          running.set(probe, ++steps);
        }
        assert.ok(monitor.next() > now, 'time goes on');
      };
      take(monitor.configure(plan, now));
      for (const what of events) {
        steps++;
        switch (what.kind) {
          case 'wait': {
            const until = now + what.time;
            for (let next = monitor.next(); next <= until; next = monitor.next()) {
              now = Math.max(now, next);
              wake();
            }
            now = until;
            break;
          }
          case 'results':
            [...running].slice(0, what.passed.length).forEach(([probe, order], index) => {
              const passed = what.passed[index] === true;
              const seen = record(probe.target.server);
              seen.note(probe.check.type, passed, order);
              if (passed) for (const [source, at] of seen.evidence) if (at < order) seen.evidence.delete(source);
              running.delete(probe);
              take(monitor.result(probe, { passed, reason: passed ? 'answered' : 'timed out' }, now));
              seen.judge(now);
            });
            break;
          case 'accuse':
            record(what.server).evidence.set(what.source, steps);
            take(monitor.accuse(what.source, what.server, 'br-lan', what.source, now));
            break;
          case 'acquit':
            record(what.server).acquit(what.source, steps);
            take(monitor.acquit(what.source, what.server, 'br-lan', now));
            break;
          case 'report':
            record(what.server).statement = { up: what.up, until: now + what.ttl };
            take(monitor.report({ server: what.server, up: what.up, ttl: what.ttl }, now));
            break;
          case 'reload':
            take(monitor.configure(planOf(uci), now));
        }
        wake();
        for (const [name, seen] of records) {
          assert.is(monitor.verdict('web', name)?.up, seen.isUp, `${name} at ${now}`);
          assert.is(told.get(name), seen.isUp, `told of ${name} at ${now}`);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('history: a change of half of the plan leaves the other half as it was', () => {
  const variants = [
    uci,
    web(`option type 'ping'\n${common}`),
    uci.replace("'w2'", "'other'"),
    uci.replaceAll('100ms', '200ms'),
  ];
  const step = fc.record({
    variant: fc.nat(variants.length - 1),
    passed: fc.boolean(),
    time: fc.integer({ min: 1, max: 400 }),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
      const monitor = new HealthMonitor();
      let now = 0;
      monitor.configure(plan, now);
      for (const { variant, passed, time } of steps) {
        now += time;
        for (const probe of monitor.advance(now).start) monitor.result(probe, { passed, reason: 'x' }, now);
        const before = monitor.verdict('web', 'bert');
        const wasDown = monitor.verdict('web', 'anna')?.up === false;
        monitor.configure(planOf(variants[variant] ?? uci), now);
        const after = monitor.verdict('web', 'bert');
        assert.is(after?.up, before?.up);
        assert.is(after?.since, before?.since);
        // Fewer questions may bring her back; another rhythm or name alone may not.
        if (wasDown && variant !== 1) assert.is(monitor.verdict('web', 'anna')?.up, false);
      }
    }),
    { numRuns: 200 },
  );
});

test.run();
