import { Socket, monotonic, processorTime, setTimer } from 'oneip:runtime';
import type { Timer } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { removeScratch, runScript, scratchPath } from './support/script.ts';
import { refusesAllBut } from './support/throws.ts';
import { sleep, until } from './support/turns.ts';

test('a thousand timers fire in the order in which they are due, and none early', async () => {
  const fired: { readonly earliest: number; latest: number }[] = [];
  let early = 0;
  // Ten delays, in no order. When a timer is due is known but for the time that setting it took.
  for (let i = 0; i < 1000; i++) {
    const delay = (((i * 7919) % 1000) % 10) * 30;
    const due = { earliest: monotonic() + delay, latest: Infinity };
    setTimer(() => {
      fired.push(due);
      if (monotonic() < due.earliest) early++;
    }, delay);
    due.latest = monotonic() + delay;
  }
  await until(() => fired.length >= 1000, 'all have fired');
  let passed = 0;
  for (const { earliest, latest } of fired) {
    assert.ok(latest >= passed, `due ${passed - latest} ms before one that has fired`);
    passed = Math.max(passed, earliest);
  }
  assert.is(early, 0);
  assert.is(fired.length, 1000);
});

test('what has come in meanwhile is heard before timers that are overdue, and cannot keep them from firing', async () => {
  const heard: string[] = [];
  const pairs = Array.from({ length: 20 }, () => {
    const [here, there] = [new Socket('unix', 'dgram'), new Socket('unix', 'dgram')];
    here.bind({ path: scratchPath() });
    there.connect(here.localAddress());
    here.onReadable(() => {
      here.receive(10);
      heard.push('event');
    });
    return [here, there] as const;
  });
  const [first] = pairs;
  assert.ok(first);
  const [endless, echo] = first;
  for (let i = 0; i < 20; i++) setTimer(() => heard.push('timer'), 10);
  for (const [, there] of pairs) there.send(Uint8Array.of(1));
  const end = monotonic() + 30;
  while (monotonic() < end);
  await sleep(20);
  assert.equal(heard, [...pairs.map(() => 'event'), ...Array.from({ length: 20 }, () => 'timer')]);

  // One that always has something to read.
  endless.onReadable(() => {
    endless.receive(10);
    echo.send(Uint8Array.of(1));
  });
  echo.send(Uint8Array.of(1));
  await sleep(5);
  for (const pair of pairs) for (const socket of pair) socket.close();
});

test('timers of the same delay fire in the order in which they were set', async () => {
  const fired: number[] = [];
  for (let i = 0; i < 1000; i++) setTimer(() => fired.push(i), 10);
  await sleep(50);
  assert.equal(
    fired,
    Array.from({ length: 1000 }, (_, i) => i),
  );
});

test('of a thousand timers, exactly those not cancelled fire', async () => {
  const timers: Timer[] = [];
  const fired: number[] = [];
  for (let i = 0; i < 1000; i++) timers.push(setTimer(() => fired.push(i), ((i * 7919) % 1000) / 20));
  for (let i = 0; i < 1000; i++) if (i % 3 !== 0) timers[i]?.cancel();
  await sleep(120);
  assert.equal(
    fired.sort((a, b) => a - b),
    Array.from({ length: 334 }, (_, i) => i * 3),
  );
});

test('a timer may cancel those that are due with it, and itself, more than once', async () => {
  const fired: string[] = [];
  let second: Timer | undefined = undefined;
  const first: Timer = setTimer(() => {
    fired.push('first');
    first.cancel();
    first.cancel();
    second?.cancel();
  }, 5);
  second = setTimer(() => fired.push('second'), 5);
  await sleep(30);
  assert.equal(fired, ['first']);
});

test('a repeated timer goes on until it is cancelled, also from within', async () => {
  let count = 0;
  const timer = setTimer(
    () => {
      if (++count === 5) timer.cancel();
    },
    2,
    true,
  );
  await until(() => count >= 5, 'five turns');
  await sleep(20);
  assert.is(count, 5);
});

test('a repeated timer does not make up for the turns that it missed', async () => {
  let count = 0;
  const timer = setTimer(() => count++, 5, true);
  const begin = monotonic();
  while (monotonic() - begin < 50);
  await sleep(3);
  timer.cancel();
  assert.ok(count <= 2, `${count} turns at once`);
});

test('a delay of 0 is the next turn of the loop: what is ready is not starved', async () => {
  let turns = 0;
  let over = false;
  const next = (): void => {
    turns++;
    if (!over) setTimer(next, 0);
  };
  next();
  await sleep(20);
  await until(() => turns > 10, 'ten turns');
  over = true;
});

test('wrong arguments', () => {
  refusesAllBut(['function'], (value) => setTimer(value, 1));
  refusesAllBut(['number'], (value) => setTimer(() => undefined, value));
  refusesAllBut(['boolean', 'undefined'], (value) => setTimer(() => undefined, 1, value).cancel());
  for (const delay of [-1, NaN, Infinity, 2 ** 31]) {
    assert.throws(
      () => setTimer(() => undefined, delay),
      (error: unknown) => error instanceof RangeError,
    );
  }
  const timer = setTimer(() => undefined, 0);
  const cancel = timer.cancel;
  refusesAllBut([], (value) => cancel.call(value));
  timer.cancel();
});

test('setTimeout() and setInterval() pass arguments on and take any delay', async () => {
  const seen: unknown[] = [];
  setTimeout((...values: unknown[]) => seen.push(values), 1, 1, { two: 2 });
  setTimeout(() => seen.push('nan'), NaN);
  const interval = setInterval(
    (text: string) => {
      seen.push(text);
      clearInterval(interval);
    },
    3,
    'interval',
  );
  const cleared = setTimeout(() => seen.push('cleared'), 1);
  clearTimeout(cleared);
  clearTimeout(cleared);
  clearTimeout(undefined);
  (clearTimeout as (value: unknown) => void)('nonsense');
  await sleep(20);
  assert.equal(seen, ['nan', [1, { two: 2 }], 'interval']);
});

test('performance.now() goes on', async () => {
  const begin = performance.now();
  await sleep(10);
  const elapsed = performance.now() - begin;
  assert.ok(elapsed >= 9 && elapsed < 1000, `${elapsed} ms`);
});

test('a pending timer keeps the process alive, a cancelled one does not', async () => {
  const outcome = await runScript(`
    r.setTimer(() => console.log('late'), 30);
    r.setTimer(() => console.log('never'), 60000).cancel();
    setInterval(() => {}, 60000).cancel();`);
  assert.is(outcome.status, 0);
  assert.is(outcome.stdout, 'late\n');
});

test("processors' time goes on with work, and not by waiting", async () => {
  const before = processorTime();
  await sleep(300);
  const waited = processorTime() - before;
  assert.ok(waited >= 0 && waited < 150, `${waited} ms while it waited`);
  const began = processorTime();
  await until(() => {
    for (let i = 0; i < 1e5; i++) Math.sqrt(i);
    return processorTime() > began + 20;
  }, '20 ms of work');
});

test.after(removeScratch);
test.run();
