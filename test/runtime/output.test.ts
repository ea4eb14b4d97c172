import { isTerminal, terminalWidth, writeOutput } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { removeScratch, runScript, scratchPath } from './support/script.ts';
import { refusesAllBut } from './support/throws.ts';

test('console tells texts, values and errors, each where it belongs', async () => {
  const outcome = await runScript(`
    console.log('text', 1, null, undefined, true, 2n, [1, 'a'], { b: 2 }, () => 1, Symbol('s'));
    console.info('info'); console.debug('debug'); console.log();
    console.warn('warn'); console.error('error');
    const circle = {}; circle.circle = circle; console.log(circle);
    console.log(new TypeError('told'));`);
  assert.match(
    outcome.stdout,
    /^text 1 null undefined true 2 \[1,"a"\] \{"b":2\} function [^]*Symbol\(s\)\ninfo\ndebug\n\n\[object Object\]\nTypeError: told\n {4}at .*\n$/,
  );
  assert.is(outcome.stderr, 'warn\nerror\n');
});

test('all of a large output arrives, though the reader is slow and the pipe non-blocking', async () => {
  const path = scratchPath();
  const outcome = await runScript(`r.writeOutput(1, 'é'.repeat(500000)); r.writeOutput(2, 'end');`, {
    wrapper: ['sh', '-c', `("$@"; echo $? >&2) | (sleep 0.2; cat) > ${path}; wc -c < ${path}`, 'sh'],
  });
  assert.is(outcome.stdout, '1000000\n');
  assert.is(outcome.stderr, 'end0\n');
});

test('a reader that has gone is EPIPE, not death', async () => {
  const outcome = await runScript(
    `await new Promise((done) => r.setTimer(done, 100));
    try { r.writeOutput(1, 'x'); } catch (error) { console.error(error.code); }
    try { console.log('x'); } catch (error) { console.error(error.code); }`,
    { wrapper: ['sh', '-c', '("$@"; echo $? >&2) | true', 'sh'] },
  );
  assert.is(outcome.stderr, 'EPIPE\nEPIPE\n0\n');
});

test('errors that cannot be told, since standard error is gone, do not end the process', async () => {
  const outcome = await runScript(
    `r.setTimer(() => { throw new Error('unheard'); }, 1); r.setTimer(() => console.log('alive'), 20);`,
    { wrapper: ['sh', '-c', 'exec "$@" 2>&-', 'sh'] },
  );
  assert.is(outcome.stdout, 'alive\n');
  assert.is(outcome.status, 0);
});

test('standard input is read to its end', async () => {
  const input = 'line\n'.repeat(100_000);
  const outcome = await runScript(`console.log(r.readInput().length, r.readInput().length);`, { input });
  assert.is(outcome.stdout, `${input.length} 0\n`);
});

test('standard input is read line by line, and no further', async () => {
  const script = `const line = r.readLine(); console.log(JSON.stringify([line, r.readLine(), r.readLine()]));
    r.spawn(['cat'], { inherit: true }, () => console.log(JSON.stringify([r.readLine(), r.readLine()])));`;
  const { stdout } = await runScript(script, { input: 'first\n\nérr\xff\nrest\nunended' });
  assert.is(stdout, '["first","","érrÿ"]\nrest\nunended[null,null]\n');
  const unended = await runScript(`console.log(JSON.stringify([r.readLine(), r.readLine()]));`, { input: 'unended' });
  assert.is(unended.stdout, '["unended",null]\n');
  const long = await runScript(`console.log(r.readLine().length, r.readLine());`, {
    input: `${'x'.repeat(9000)}\nnext`,
  });
  assert.is(long.stdout, '4096 next\n');
  const slow = await runScript(`console.log(r.readLine());`, {
    wrapper: ['sh', '-c', '(sleep 0.1; printf "late\\n") | "$@"', 'sh'],
  });
  assert.is(slow.stdout, 'late\n');
});

test('a terminal is one, and has a width', async () => {
  assert.is(isTerminal(0) && isTerminal(1) && isTerminal(2), false);
  assert.is(terminalWidth(1), null);
  const told = await runScript(`console.log(r.isTerminal(1), r.terminalWidth(1));`, {
    wrapper: ['sh', '-c', 'script -qec "stty cols 77; exec $*" /dev/null', 'sh'],
  });
  assert.match(told.stdout, /true 77/);
});

test('wrong arguments', () => {
  refusesAllBut(['number'], (value) => writeOutput(value, ''));
  refusesAllBut(['text'], (value) => writeOutput(1, value));
  refusesAllBut(['number'], (value) => isTerminal(value));
  refusesAllBut(['number'], (value) => terminalWidth(value));
  for (const fd of [0, 3, -1, 1.5]) {
    assert.throws(
      () => writeOutput(fd as 1, ''),
      (error: unknown) => error instanceof RangeError,
    );
  }
});

test.after(removeScratch);
test.run();
