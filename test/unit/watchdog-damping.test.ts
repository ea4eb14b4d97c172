import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GRAIN } from '../../src/watchdog/spread.ts';
import { Damping } from '../../src/watchdog/damping.ts';
import { Drill, unwell, web, well } from './watchdog-drill.ts';

test('damping: the penalty halves in a half-life, and has a ceiling', () => {
  const damping = new Damping(30_000);
  damping.change(0);
  assert.is(damping.penalty(0), 1000);
  assert.is(damping.penalty(30_000), 500);
  damping.change(30_000);
  assert.is(damping.penalty(90_000), 375);
  for (let i = 0; i < 100; i++) damping.change(90_000);
  assert.is(damping.penalty(90_000), 16_000);
  assert.is(damping.heldUntil, 90_000 + 4 * 30_000);
});

test('damping: more than 3000 holds, until 1000 is left', () => {
  const damping = new Damping(10_000);
  for (let i = 0; i < 3; i++) damping.change(0);
  assert.is(damping.heldUntil, 0, 'exactly 3000');
  damping.change(0);
  assert.is(damping.heldUntil, 20_000);
  damping.change(10_000);
  assert.is(damping.penalty(10_000), 3000);
  assert.is(damping.heldUntil, Math.ceil(10_000 + 10_000 * Math.log2(3)), 'a change during the hold prolongs it');
});

test('damping: changes that are far apart never hold', () => {
  const damping = new Damping(30_000);
  for (let now = 0; now < 10_000_000; now += 20_000) damping.change(now);
  assert.is(damping.heldUntil, 0);
});

test('damping: another half-life keeps the penalty, none forgets it', () => {
  const damping = new Damping(10_000);
  for (let i = 0; i < 4; i++) damping.change(0);
  damping.configure(20_000, 10_000);
  assert.is(damping.penalty(10_000), 2000);
  assert.is(damping.penalty(30_000), 1000);
  assert.is(damping.heldUntil, 20_000);
  damping.configure(0, 10_000);
  assert.is(damping.heldUntil, 0);
  damping.change(10_000);
  assert.is(damping.penalty(10_000), 0);
});

/** Moments, 200–400 ms apart, at which a server goes or comes; for a minute. */
const flaps = fc.array(fc.integer({ min: 200, max: 400 }), { minLength: 300, maxLength: 300 }).map((gaps) => {
  let at = 1000;
  return gaps.map((gap) => (at += gap)).filter((moment) => moment < 61_000);
});

test('damping: a server that flaps every 300 ms for a minute changes state at most 4 times, by evidence or by report', () => {
  fc.assert(
    fc.property(flaps, fc.boolean(), (moments, reported) => {
      const drill = new Drill(web());
      moments.forEach((at, index) => {
        drill.run(at);
        const up = index % 2 === 1;
        if (reported) drill.note(drill.monitor.report({ server: 'anna', up, reason: 'flaps' }, at));
        else if (up) drill.note(drill.monitor.acquit('link', 'anna', 'br-lan', at));
        else drill.note(drill.monitor.accuse('link', 'anna', 'br-lan', 'no carrier', at));
      });
      const stopped = drill.now;
      drill.note(drill.monitor.acquit('link', 'anna', 'br-lan', stopped));
      drill.note(drill.monitor.report({ server: 'anna', up: true }, stopped));
      assert.is(drill.changes.length, 3);
      assert.match(drill.verdict(), /^down damped: came and went too often; last down: /);
      drill.run(stopped + 4 * 30_000);
      assert.is(drill.changes.length, 4);
      assert.is(drill.verdict().slice(0, 4), 'up: ');
    }),
    { numRuns: 30 },
  );
});

test('damping: the same by probes that are fast enough to see it', () => {
  // Where the probes beat against the flapping it is seen now and then only, and the penalty halves meanwhile.
  const mostSeen = 6;
  const rhythm = fc.record({
    interval: fc.integer({ min: 50, max: 150 }),
    rise: fc.integer({ min: 1, max: 3 }),
    fall: fc.integer({ min: 1, max: 3 }),
    phase: fc.integer({ min: 0, max: 600 }),
  });
  fc.assert(
    fc.property(rhythm, ({ interval, rise, fall, phase }) => {
      const lines = [`interval '${interval}ms'`, "timeout '50ms'", `rise '${rise}'`, `fall '${fall}'`];
      const drill = new Drill(web(["option type 'tcp'", ...lines.map((line) => `option ${line}`)].join('\n')));
      drill.answer = (_, at) => (at < 61_000 && (at + phase) % 600 < 300 ? unwell : well);
      drill.run(61_000);
      assert.ok(drill.changes.filter(({ text }) => text.startsWith('web/anna')).length <= mostSeen);
      drill.run(61_000 + 4 * 30_000 + (rise + 1) * (interval + GRAIN));
      assert.is(drill.monitor.verdict('web', 'anna')?.up, true);
      assert.ok(drill.changes.filter(({ text }) => text.startsWith('web/anna')).length <= mostSeen);
    }),
    { numRuns: 40 },
  );
});

test('damping: none with half_life 0', () => {
  const drill = new Drill(web("option type 'ubus'\noption half_life '0'"));
  for (let i = 0; i < 50; i++) {
    drill.run(drill.now + 300);
    drill.note(drill.monitor.report({ server: 'anna', up: i % 2 === 1 }, drill.now));
  }
  assert.is(drill.changes.length, 50);
});

test('damping: two failures with a return between them are no flapping', () => {
  const drill = new Drill(web());
  for (let i = 0; i < 3; i++) {
    drill.run(drill.now + 20_000);
    drill.note(drill.monitor.accuse('link', 'anna', 'br-lan', 'no carrier', drill.now));
    drill.run(drill.now + 20_000);
    drill.note(drill.monitor.acquit('link', 'anna', 'br-lan', drill.now));
  }
  assert.is(drill.changes.length, 6);
});

test('damping: a reload forgets no penalty', () => {
  const drill = new Drill(web());
  for (let i = 0; i < 4; i++) {
    drill.run(drill.now + 300);
    drill.note(drill.monitor.report({ server: 'anna', up: i % 2 === 1, reason: 'flaps' }, drill.now));
    drill.configure(web());
  }
  assert.is(drill.verdict(), 'down damped: came and went too often; last down: flaps');
  drill.configure(web("option type 'ubus'\noption half_life '0'"));
  assert.is(drill.verdict(), 'up: flaps');
});

test.run();
