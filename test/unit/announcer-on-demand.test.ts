import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadConfiguration } from '../../src/config/validate.ts';
import { AnnouncerOnDemand } from '../../src/daemon/announcer-on-demand.ts';
import type { Announcer, InForce } from '../../src/daemon/announcer.ts';

const CHANNEL = `config globals 'globals'
	option key 'sixteen.letters.'
config service 'web'
	option device 'br-lan'
	option dispatch 'broadcast'
	list ghost '198.51.100.1'
config server 'anna'
	list service 'web'
	option address '192.168.1.11'
`;
const NONE = CHANNEL.replace(/\toption key .*\n/, '');

function inForce(text: string): InForce {
  const { model } = loadConfiguration(text, 'oneip');
  return { model, deployment: { services: [] } as unknown as InForce['deployment'], fleet: new Map() };
}

/** One whose loading the test ends, and that tells what it is given. */
function onDemand() {
  const log: string[] = [];
  const updates: InForce[] = [];
  const loads: { done: () => void; failed: (reason: string) => void }[] = [];
  let closed = 0;
  const announcer = {
    update: (given: InForce) => updates.push(given),
    close: () => closed++,
    reporter: (server: string) => ({ server }),
    refusals: () => ({ forged: 1 }),
  } as unknown as Announcer;
  const made = new AnnouncerOnDemand(
    () =>
      new Promise((resolve, reject) =>
        loads.push({ done: () => resolve(announcer), failed: (reason) => reject(new Error(reason)) }),
      ),
    (line) => log.push(line),
  );
  return { made, log, updates, loads, closed: () => closed };
}

/** Lets everything that waits for a promise go on. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
}

test('nothing is loaded as long as no configuration wants a channel', async () => {
  const { made, loads } = onDemand();
  made.update(inForce(NONE));
  assert.is(loads.length, 0);
  assert.is(made.reporter('anna'), undefined);
  assert.is(made.refusals(), undefined);
  made.update(inForce(CHANNEL));
  assert.is(loads.length, 1);
});

test('loaded once, it takes what is in force by then, and everything after that', async () => {
  const { made, loads, updates } = onDemand();
  const [first, second, third] = [inForce(CHANNEL), inForce(CHANNEL), inForce(NONE)];
  made.update(first);
  made.update(second);
  assert.is(loads.length, 1);
  loads[0]?.done();
  await settled();
  assert.equal(updates.length, 1);
  assert.is(updates[0], second);
  made.update(third);
  assert.is(updates[1], third);
  assert.is(loads.length, 1);
  assert.equal(made.reporter('anna') as unknown, { server: 'anna' });
  assert.equal(made.refusals() as unknown, { forged: 1 });
});

test('where it cannot be loaded the log says why, once, and each change tries again', async () => {
  const { made, loads, log, updates } = onDemand();
  for (let round = 0; round < 2; round++) {
    made.update(inForce(CHANNEL));
    loads[round]?.failed('the channel is elsewhere');
    await settled();
  }
  assert.equal(log, ['the channel is elsewhere']);
  assert.is(made.failure(), 'the channel is elsewhere');
  made.update(inForce(NONE));
  assert.is(made.failure(), undefined);
  made.update(inForce(CHANNEL));
  loads[2]?.done();
  await settled();
  assert.is(updates.length, 1);
  assert.is(made.failure(), undefined);
});

test('one that is closed while it is loaded begins nothing', async () => {
  const { made, loads, updates, closed } = onDemand();
  made.update(inForce(CHANNEL));
  made.close();
  loads[0]?.done();
  await settled();
  assert.is(updates.length, 0);
  assert.is(closed(), 0);
});

test.run();
