import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GRAIN, spread } from '../../src/watchdog/spread.ts';
import { type Timed, TimeHeap } from '../../src/watchdog/time-heap.ts';
import { Drill, refused, unwell, web, well } from './watchdog-drill.ts';

test('heap: whatever is put in, moved and taken out, the earliest is on top', () => {
  const step = fc.record({ item: fc.nat(9), at: fc.integer({ min: 0, max: 20 }), out: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const heap = new TimeHeap<Timed>();
      const items = Array.from({ length: 10 }, (): Timed => ({ at: 0, place: -1 }));
      const model = new Map<number, number>();
      for (const { item, at, out } of steps) {
        const timed = items[item];
        assert.ok(timed);
        if (out) {
          heap.remove(timed);
          model.delete(item);
        } else {
          heap.set(timed, at);
          model.set(item, at);
        }
        assert.is(heap.first()?.at, model.size === 0 ? undefined : Math.min(...model.values()));
        assert.is(timed.place < 0, out);
      }
      const order: number[] = [];
      for (let first = heap.first(); first; first = heap.first()) {
        order.push(first.at);
        heap.remove(first);
      }
      assert.equal(
        order,
        [...model.values()].sort((a, b) => a - b),
      );
    }),
  );
});

/** A service with so many servers, all of which are pinged. */
const crowd = (servers: number, interval: string, timeout = interval): string => {
  const sections = Array.from(
    { length: servers },
    (_, index) => `config server 's${index}'\n\tlist service 'web'\n\toption address '192.168.1.${index + 2}'\n`,
  );
  return `config service 'web'
	list ghost '192.0.2.1'

${sections.join('\n')}
config watchdog 'w'
	option type 'ping'
	option interval '${interval}'
	option timeout '${timeout}'
`;
};

test('schedule: 64 servers every 100 ms, each as often as it should, in bursts of 32', () => {
  const drill = new Drill(crowd(64, '100ms'));
  drill.run(11_000);
  const perServer = new Map<string, number[]>();
  const perMoment = new Map<number, number>();
  for (const { at, probe } of drill.started) {
    const times = perServer.get(probe.target.server) ?? [];
    perServer.set(probe.target.server, [...times, at]);
    if (at > 1300) perMoment.set(at, (perMoment.get(at) ?? 0) + 1);
  }
  assert.is(perServer.size, 64);
  for (const times of perServer.values()) {
    assert.ok(times.length >= 99 && times.length <= 101, String(times.length));
    const gaps = times.slice(2).map((at, index) => at - (times[index + 1] ?? 0));
    assert.ok(
      gaps.every((gap) => gap === 100),
      gaps.join(' '),
    );
  }
  assert.ok(perMoment.size <= 200, `woken ${perMoment.size} times in 10 s`);
  assert.ok(Math.max(...perMoment.values()) <= 32, String(Math.max(...perMoment.values())));
});

test('schedule: the first probes come within a second, spread, however long the interval', () => {
  const drill = new Drill(crowd(10, '1h', '1s'));
  drill.run(2000);
  assert.equal(
    drill.started.map(({ at }) => at),
    [1000, 1100, 1200, 1300, 1400, 1500, 1600, 1700, 1800, 1900],
  );
  drill.run(3_700_000);
  assert.ok(drill.started.length >= 15 && drill.started.length <= 20, String(drill.started.length));
});

test('schedule: a late wake-up makes up for nothing', () => {
  const drill = new Drill(crowd(4, '100ms'));
  drill.run(1510);
  const before = drill.started.length;
  const { start } = drill.monitor.advance(60_000);
  assert.is(start.length, 4);
  assert.is(drill.monitor.advance(60_000).start.length, 0);
  assert.ok(drill.monitor.next() > 60_000 && drill.monitor.next() <= 60_150);
  assert.is(drill.started.length, before);
});

test('schedule: what still waits is not asked again before it has ended, and then at once', () => {
  const drill = new Drill(
    web("option type 'ping'\noption interval '100ms'\noption timeout '250ms'\nlist server 'anna'"),
  );
  drill.answer = () => undefined;
  drill.run(3000);
  const times = drill.started.map(({ at }) => at);
  const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
  assert.is(gaps.length, 7);
  assert.ok(
    gaps.every((gap) => gap >= 250 && gap <= 250 + GRAIN),
    gaps.join(' '),
  );
});

test('schedule: bursts as few as will do, and never closer than a grain', () => {
  const phasesOf = (servers: number, each: number, interval: number): number[] => {
    const asked = Array.from({ length: servers }, (_, name) => ({ name }));
    const questions = asked.flatMap((server) => Array.from({ length: each }, () => ({ server, interval })));
    const places = spread(questions);
    assert.is(places.length, servers * each);
    assert.equal(
      places.map(({ index, count }) => index / count),
      places.map((_, index) => index / (servers * each)),
    );
    return [...new Set(places.map(({ phase }) => phase))];
  };
  assert.equal(phasesOf(1, 1, 1000), [0]);
  assert.equal(phasesOf(32, 1, 1000), [0]);
  assert.equal(phasesOf(33, 1, 1000), [0, 500]);
  assert.equal(phasesOf(3, 2, 200), [0, 100]);
  assert.equal(phasesOf(33, 2, 200), [0, 50, 100, 150]);
  assert.equal(phasesOf(256, 2, 50), [0, 25]);
  assert.equal(spread([]), []);
});

test('schedule: the questions to one server are as far from each other as can be', () => {
  const drill = new Drill(
    web("option type 'ping'\noption interval '200ms'")
      .replace("list ghost '192.0.2.1'", "$&\n\tlist ghost '2001:db8::1'")
      .replace(/option address '192.168.1.(.*)'/g, "$&\n\toption address6 '2001:db8:1::$1'"),
  );
  drill.run(2000);
  for (const server of ['anna', 'bert']) {
    // The first turns are by themselves, as soon as can be.
    const later = drill.started.filter(({ at, probe }) => at > 1400 && probe.target.server === server);
    const gaps = later.slice(1).map(({ at }, index) => at - (later[index]?.at ?? 0));
    assert.ok(gaps.length >= 5 && gaps.every((gap) => gap === 100), gaps.join(' '));
  }
});

test('schedule: who has refused is asked again after a quarter of the interval, until it is out', () => {
  const drill = new Drill(
    web("option type 'tcp'\noption interval '400ms'\noption fall '3'\nlist server 'anna'\noption half_life '0'"),
  );
  drill.answer = (_, at) => (at >= 2000 && at < 4000 ? refused : well);
  drill.run(5000);
  assert.equal(
    drill.started.map(({ at }) => at).filter((at) => at > 1900),
    // Found, asked twice more, out; then in the old rhythm.
    [2000, 2120, 2240, 2800, 3200, 3600, 4000, 4400, 4800],
  );
  assert.equal(
    drill.changes.map(({ at }) => at),
    [2241, 4401],
  );
});

test('schedule: who has refused once is asked again soon, and then as before', () => {
  const drill = new Drill(web("option type 'tcp'\noption interval '400ms'\nlist server 'anna'"));
  drill.answer = (_, at) => (at === 2000 ? refused : well);
  drill.run(3500);
  assert.equal(
    drill.started.map(({ at }) => at).filter((at) => at > 1900),
    [2000, 2120, 2400, 2800, 3200],
  );
  assert.equal(drill.changes, []);
});

test('schedule: nobody is asked more often than every 50 ms, nor sooner for another failure than a refusal', () => {
  const drill = new Drill(
    web("option type 'tcp'\noption interval '50ms'\noption fall '100'\nlist server 'anna'\noption timeout '50ms'"),
  );
  drill.answer = () => refused;
  drill.run(3000);
  assert.ok(drill.started.length <= 41, String(drill.started.length));
  for (const answer of [unwell, undefined]) {
    const other = new Drill(web("option type 'tcp'\noption interval '400ms'\nlist server 'anna'"));
    other.answer = () => answer;
    other.run(2999);
    assert.is(other.started.length, answer ? 6 : 2);
  }
});

test('schedule: a timeout as long as the interval costs no turns', () => {
  const drill = new Drill(web("option type 'ping'\nlist server 'anna'"));
  drill.answer = () => undefined;
  drill.run(11_000);
  assert.ok(drill.started.length >= 10, String(drill.started.length));
});

test('schedule: nothing to do is said', () => {
  assert.is(new Drill(web()).monitor.next(), Infinity);
  const drill = new Drill(web("option type 'ping'"));
  drill.configure(web());
  assert.is(drill.monitor.next(), Infinity);
});

test('schedule: a reload disturbs nobody who stays', () => {
  const uci = crowd(8, '1s');
  const drill = new Drill(uci);
  drill.run(4500);
  const next = drill.monitor.next();
  const before = drill.started.length;
  for (let i = 0; i < 5; i++) drill.configure(uci);
  assert.is(drill.monitor.next(), next);
  drill.run(5500);
  assert.is(drill.started.length, before + 8);
});

test('schedule: frequent reloads that change the spread starve nobody', () => {
  const drill = new Drill(crowd(8, '1s'));
  drill.run(3000);
  const before = drill.started.filter(({ probe }) => probe.target.server === 's0').length;
  for (let i = 0; i < 100; i++) {
    drill.configure(crowd(8 + (i % 2), '1s'));
    drill.run(drill.now + 100);
  }
  for (let server = 0; server < 8; server++) {
    const count = drill.started.filter(({ at, probe }) => probe.target.server === `s${server}` && at > 3000).length;
    assert.ok(count >= 7 && count <= 14, `s${server}: ${count}`);
  }
  assert.is(before, 3);
});

test('schedule: a probe under way through a reload counts, one that is no longer planned does not', () => {
  const uci = web("option type 'tcp'\noption fall '1'\nlist server 'anna'");
  const drill = new Drill(uci);
  drill.answer = () => unwell;
  const [probe] = drill.monitor.advance(1000).start;
  assert.ok(probe);
  const failed = { passed: false, reason: 'status 503' };
  drill.configure(uci);
  assert.is(drill.monitor.result(probe, failed, 1001).length, 1);
  assert.is(drill.monitor.result(probe, failed, 1002).length, 0, 'the same result twice');

  drill.run(2500);
  const [other] = drill.monitor.advance(3500).start;
  assert.ok(other);
  drill.configure(web());
  assert.equal(drill.monitor.result(other, failed, 3501), []);
  assert.is(drill.verdict(), 'up: not watched');
});

test('schedule: a probe that was planned, not planned and planned again is another one', () => {
  const uci = web("option type 'tcp'\noption interval '100ms'\noption fall '1'\nlist server 'anna'");
  const drill = new Drill(uci);
  const [probe] = drill.monitor.advance(1000).start;
  assert.ok(probe);
  drill.monitor.advance(1200);
  drill.configure(web());
  drill.configure(uci);
  assert.is.not(drill.monitor.advance(1200).start[0], probe);
  const next = drill.monitor.next();
  assert.equal(drill.monitor.result(probe, { passed: false, reason: 'timed out' }, 1201), []);
  assert.is(drill.monitor.next(), next);
  assert.is(drill.verdict(), 'up: not probed yet');
});

test('schedule: who is gone wakes nobody', () => {
  const drill = new Drill(web());
  drill.note(drill.monitor.report({ server: 'anna', up: false }, 1000));
  assert.is(drill.monitor.next(), 61_000);
  drill.configure(web().replaceAll('anna', 'carl'));
  assert.is(drill.monitor.next(), Infinity);
});

test.run();
