import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HealthMonitor, type Probe } from '../../src/watchdog/monitor.ts';
import { planOf } from './watchdog-drill.ts';

// What judging costs: 64 servers of two services, asked every 100 ms. The figure is for one turn of one probe: its part of
// the schedule, its start and its result, without the packets and without the waking up. Of all the seconds that are lived
// through the cheapest counts: others share the CPU.

const SERVERS = 64;
const INTERVAL = 100;
const SECONDS = 60;
/** Turns that are timed together: enough for a clock of milliseconds. */
const SLICE = 1000;

const servers = Array.from(
  { length: SERVERS },
  (_, index) =>
    `config server 's${index}'\n\tlist service 'web'\n\tlist service 'tls'\n\toption address '192.168.1.${index + 2}'\n`,
);
const uci = `config service 'web'
	list ghost '192.0.2.1'
	list port '80'

config service 'tls'
	list ghost '192.0.2.1'
	list port '443'

${servers.join('\n')}
config watchdog 'alive'
	option type 'ping'
	option interval '${INTERVAL}ms'
	option timeout '${INTERVAL}ms'
`;

/** Lives for some seconds; every `faults`th probe fails. Microseconds for each probe, and how many there were. */
function live(faults: number): { readonly cost: number; readonly turns: number; readonly changes: number } {
  const monitor = new HealthMonitor();
  let now = 1000;
  monitor.configure(planOf(uci), now);
  let waiting: readonly Probe[] = [];
  let turns = 0;
  let changes = 0;
  const passed = { passed: true, latency: 1, reason: 'answered' };
  const failed = { passed: false, reason: 'timed out' };
  let cost = Infinity;
  let begin = Date.now();
  let turnsBefore = 0;
  while (now < 1000 + SECONDS * 1000) {
    if (turns - turnsBefore >= SLICE) {
      cost = Math.min(cost, ((Date.now() - begin) * 1000) / (turns - turnsBefore));
      begin = Date.now();
      turnsBefore = turns;
    }
    for (const probe of waiting) {
      changes += monitor.result(probe, turns++ % faults === 0 ? failed : passed, now).length;
    }
    const { start, changes: more } = monitor.advance(now);
    waiting = start;
    changes += more.length;
    now = Math.max(now + 1, monitor.next());
  }
  return { cost, turns, changes };
}

test('cost: 640 results a second are judged, none lost', () => {
  const quiet = live(Infinity);
  console.log(`\n# health of 64 servers every 100 ms: ${quiet.cost.toFixed(1)} us for each probe`);
  assert.ok(Math.abs(quiet.turns - SERVERS * 10 * SECONDS) < SERVERS * 3, String(quiet.turns));
  assert.is(quiet.changes, 0);
});

test('cost: results that fail now and then', () => {
  const rough = live(3);
  console.log(`\n# the same with every third probe lost: ${rough.cost.toFixed(1)} us for each probe`);
  assert.ok(rough.turns > SERVERS * 9 * SECONDS);
});

test('cost: a reload', () => {
  const monitor = new HealthMonitor();
  const begin = Date.now();
  const rounds = 5;
  for (let i = 0; i < rounds; i++) monitor.configure(planOf(uci), 1000);
  const plan = planOf(uci);
  const planned = Date.now();
  for (let i = 0; i < rounds; i++) monitor.configure(plan, 1000);
  const cost = (Date.now() - planned) / rounds;
  console.log(
    `\n# taking a plan of ${SERVERS} probes: ${cost.toFixed(1)} ms; with reading the text ${((planned - begin) / rounds).toFixed(1)} ms`,
  );
  assert.is(monitor.advance(1000).start.length, 1);
  assert.is(plan.probes.length, SERVERS);
});

test.run();
