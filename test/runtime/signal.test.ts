import { kill, onSignal, pid, spawn } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { removeScratch, runScript } from './support/script.ts';
import { failsWith, refusesAllBut } from './support/throws.ts';
import { sleep, until } from './support/turns.ts';

test('a handler is called for each signal that may be handled', async () => {
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const) {
    let count = 0;
    onSignal(signal, () => count++);
    kill(pid, signal);
    await until(() => count === 1, signal);
    onSignal(signal, null);
  }
});

test('a handler may be replaced, and take itself away', async () => {
  const called: string[] = [];
  onSignal('SIGUSR1', () => called.push('former'));
  onSignal('SIGUSR1', () => {
    called.push('latter');
    onSignal('SIGUSR1', null);
  });
  kill(pid, 'SIGUSR1');
  await until(() => called.length > 0, 'called');
  assert.equal(called, ['latter']);
});

test('signals that come in a burst are handled, between timers and children', async () => {
  let signals = 0;
  let status: number | null = null;
  onSignal('SIGUSR2', () => signals++);
  spawn(
    ['sh', '-c', `for i in $(seq 200); do kill -USR2 ${pid}; done; head -c 300000 /dev/zero`],
    {},
    (result) => (status = result.stdout.length),
  );
  await until(() => status !== null, 'the child ended');
  onSignal('SIGUSR2', null);
  assert.is(status, 300_000);
  assert.ok(signals > 0);
});

test('kill() asks, and says why it cannot', () => {
  kill(pid, 0);
  failsWith('ESRCH', () => kill(2 ** 30, 0));
  failsWith('ESRCH', () => kill(2 ** 30, 'SIGKILL'));
});

test('wrong arguments', () => {
  refusesAllBut(['function', 'null'], (value) => onSignal('SIGUSR1', value));
  onSignal('SIGUSR1', null);
  refusesAllBut([], (value) => onSignal(value, null));
  refusesAllBut(['number'], (value) => kill(value, 0));
  refusesAllBut(['number'], (value) => kill(pid, value));
  for (const signal of ['SIGCHLD', 'SIGKILL', 'SIGNONE', '']) {
    assert.throws(
      () => onSignal(signal as 'SIGHUP', () => undefined),
      (error: unknown) => error instanceof TypeError,
    );
  }
  assert.throws(
    () => kill(pid, 9 as 0),
    (error: unknown) => error instanceof RangeError,
  );
});

test('without a handler a signal does what it does by default', async () => {
  const outcome = await runScript(`
    r.onSignal('SIGTERM', () => console.log('handled'));
    r.kill(r.pid, 'SIGTERM');
    r.setTimer(() => { r.onSignal('SIGTERM', null); r.kill(r.pid, 'SIGTERM'); }, 20);`);
  assert.is(outcome.stdout, 'handled\n');
  assert.is(outcome.signal, 'SIGTERM');
});

test('a SIGHUP that comes before its handler waits for it, and ends a script that has none', async () => {
  const handling = await runScript(`
    r.onSignal('SIGTERM', () => {});
    r.kill(r.pid, 'SIGHUP');
    r.onSignal('SIGHUP', () => { console.log('handled'); r.onSignal('SIGHUP', null); });
    r.setTimer(() => {}, 20);`);
  assert.equal([handling.stdout, handling.status], ['handled\n', 0]);
  const other = await runScript(`
    r.kill(r.pid, 'SIGHUP');
    console.log('first turn');
    r.setTimer(() => console.log('too late'), 1000);`);
  assert.equal([other.stdout, other.signal], ['first turn\n', 'SIGHUP']);
});

test('a handler does not keep the process alive', async () => {
  const outcome = await runScript(`r.onSignal('SIGTERM', () => {});`);
  assert.is(outcome.status, 0);
});

test('children have no signal blocked, and die of SIGPIPE', async () => {
  const outcome = await runScript(`
    r.onSignal('SIGTERM', () => {});
    r.spawn(['sh', '-c', 'grep -E "Sig(Blk|Ign)" /proc/self/status'], {}, (x) => console.log(r.decodeUtf8(x.stdout)));`);
  assert.match(outcome.stdout, /SigBlk:\s+0000000000000000/);
  // Whoever has started the tests may ignore other signals.
  const ignored = parseInt(/SigIgn:\s+([0-9a-f]+)/.exec(outcome.stdout)?.[1] ?? '', 16);
  const SIGPIPE = 13;
  assert.is((ignored >>> (SIGPIPE - 1)) & 1, 0);
});

test('what it was started with, signals blocked or ignored, does not matter', async () => {
  const outcome = await runScript(
    `r.spawn(['true'], {}, (x) => { console.log(x.status); r.kill(r.pid, 'SIGTERM'); });`,
    { wrapper: ['env', '--ignore-signal=CHLD', '--block-signal=TERM', '--ignore-signal=PIPE'] },
  );
  assert.is(outcome.stdout, '0\n');
  assert.is(outcome.signal, 'SIGTERM');
});

test('being stopped and continued while it waits changes nothing', async () => {
  const outcome = await runScript(`
    r.spawn(['sh', '-c', 'kill -STOP ' + r.pid + '; sleep 0.1; kill -CONT ' + r.pid], {}, () => console.log('done'));
    r.setTimer(() => console.log('timer'), 300);`);
  assert.is(outcome.stdout, 'done\ntimer\n');
  assert.is(outcome.status, 0);
  await sleep(0);
});

test.after(removeScratch);
test.run();
