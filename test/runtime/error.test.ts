import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { removeScratch, runScript } from './support/script.ts';

/** Each throws `boom` once from its callback; the timer afterwards must still run. */
const callbacks: Readonly<Record<string, string>> = {
  'a timer': `r.setTimer(() => { throw boom(); }, 1);`,
  'a repeated timer': `const t = r.setTimer(() => { t.cancel(); throw boom(); }, 1, true);`,
  'a timeout of the web': `setTimeout(() => { throw boom(); }, 1);`,
  'a signal': `r.onSignal('SIGUSR1', () => { throw boom(); }); r.kill(r.pid, 'SIGUSR1');`,
  'a readable socket': `
    const a = new r.Socket('inet', 'dgram'); a.bind({ address: '127.0.0.1', port: 0 });
    a.send(new Uint8Array(1), a.localAddress());
    a.onReadable(() => { a.close(); throw boom(); });`,
  'a writable socket': `
    const a = new r.Socket('inet', 'dgram');
    a.onWritable(() => { a.onWritable(null); throw boom(); });`,
  'a child': `r.spawn(['true'], {}, () => { throw boom(); });`,
  'a microtask': `queueMicrotask(() => { throw boom(); });`,
  'a microtask of a timer': `r.setTimer(() => queueMicrotask(() => { throw boom(); }), 1);`,
  'a rejected promise': `Promise.reject(boom());`,
  'an async function': `(async () => { await null; throw boom(); })();`,
  'an async callback': `r.setTimer(async () => { throw boom(); }, 1);`,
  'a promise reaction': `Promise.resolve().then(() => { throw boom(); });`,
};

for (const [what, source] of Object.entries(callbacks)) {
  test(`a throw in ${what} is told with its stack and ends nothing`, async () => {
    const outcome = await runScript(`
      function boom() { return new RangeError('boom'); }
      ${source}
      r.setTimer(() => console.log('alive'), 50);`);
    assert.is(outcome.status, 0);
    assert.is(outcome.stdout, 'alive\n');
    assert.match(outcome.stderr, /^(Uncaught|Unhandled rejection): RangeError: boom\n/);
    assert.match(outcome.stderr, /\n {4}at boom \(.*\.js:2:\d+\)\n/);
    assert.is(outcome.stderr.split('boom\n').length, 2, 'once');
  });
}

test('a rejection that is handled before the turn ends is no error', async () => {
  const outcome = await runScript(`
    const p = Promise.reject(new Error('handled'));
    queueMicrotask(() => p.catch(() => console.log('caught')));
    Promise.allSettled([Promise.reject(1)]);`);
  assert.is(outcome.stdout, 'caught\n');
  assert.is(outcome.stderr, '');
});

test('causes are told, even in a circle', async () => {
  const outcome = await runScript(`
    const inner = new Error('inner');
    r.setTimer(() => { throw new Error('outer', { cause: inner }); }, 1);
    r.setTimer(() => { const e = new Error('circle'); e.cause = e; throw e; }, 2);`);
  assert.match(outcome.stderr, /^Uncaught: Error: outer\n.*\nCaused by: Error: inner\n/);
  assert.match(outcome.stderr, /Uncaught: Error: circle/);
  assert.is(outcome.status, 0);
});

test('whatever is thrown can be told', async () => {
  const outcome = await runScript(`
    const values = ['text', undefined, null, 5n, Symbol('s'), { toString() { throw 1; } }, Object.create(null),
      { get stack() { throw 2; } }, new Proxy({}, { get() { throw 3; } })];
    const e = new Error('hostile'); Object.defineProperty(e, 'stack', { get() { throw 4; } });
    Object.defineProperty(e, 'cause', { get() { throw 5; } }); values.push(e);
    values.forEach((value, i) => r.setTimer(() => { throw value; }, i));
    r.setTimer(() => console.log('alive'), 50);`);
  assert.is(outcome.status, 0);
  assert.is(outcome.stdout, 'alive\n');
  assert.is(outcome.stderr.match(/^Uncaught: /gm)?.length, 10);
  assert.match(outcome.stderr, /Uncaught: text\nUncaught: undefined\nUncaught: null .*\nUncaught: 5\n/);
});

test('recursion without end is an error like any other', async () => {
  const outcome = await runScript(`
    r.setTimer(() => { const f = () => f() + 1; f(); }, 1);
    r.setTimer(() => { let x = []; for (let i = 0; i < 1e5; i++) x = [x]; JSON.stringify(x); }, 2);
    r.setTimer(() => console.log('alive'), 20);`);
  assert.is(outcome.status, 0);
  assert.is(outcome.stdout, 'alive\n');
  assert.match(outcome.stderr, /Maximum call stack size exceeded|stack overflow/);
});

test('errors of system calls have a code, number, call and subject', async () => {
  const outcome = await runScript(`
    try { r.readFile('/nonexistent'); } catch (e) { console.log(e instanceof Error, e.code, e.errno, e.syscall, e.message); }`);
  assert.is(outcome.stdout, 'true ENOENT 2 open open /nonexistent: No such file or directory\n');
});

test.after(removeScratch);
test.run();
