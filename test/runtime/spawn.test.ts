import { decodeUtf8, encodeUtf8, fileStatus, kill, readDirectory, spawn } from 'oneip:runtime';
import type { Process, SpawnOptions, SpawnResult } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { removeScratch, run, runScript, scratch, scratchPath } from './support/script.ts';
import { failsWith, refusesAllBut } from './support/throws.ts';
import { sleep, until } from './support/turns.ts';

const shell = (command: string, options: SpawnOptions = {}): Promise<SpawnResult> =>
  new Promise((done) => {
    spawn(['sh', '-c', command], options, done);
  });

const nothing = (): void => undefined;

test('output, errors and status of a child', async () => {
  const outcome = await run(['sh', '-c', 'echo out; echo error >&2; exit 3']);
  assert.equal(outcome, { status: 3, signal: null, timedOut: false, stdout: 'out\n', stderr: 'error\n' });
});

test('a child that dies of a signal', async () => {
  const result = await shell('kill -SEGV $$');
  assert.is(result.status, null);
  assert.is(result.signal, 'SIGSEGV');
  assert.is(result.timedOut, false);
});

test('input comes back from cat, more than a pipe holds, as text and as bytes', async () => {
  const bytes = new Uint8Array(1_000_003).map((_, i) => i * 7);
  const result = await shell('cat', { input: bytes, outputLimit: 2_000_000 });
  assert.equal(result.stdout, bytes);
  assert.is(decodeUtf8((await shell('cat', { input: 'é' })).stdout), 'é');
  assert.is((await shell('wc -c', { input: '' })).stdout[0], '0'.charCodeAt(0));
});

test('without input there is none to read', async () => {
  assert.is(decodeUtf8((await shell('wc -c; readlink /proc/self/fd/0')).stdout), '0\n/dev/null\n');
});

test('a child that does not read its input is no error', async () => {
  const result = await shell('exit 4', { input: new Uint8Array(1_000_000) });
  assert.is(result.status, 4);
});

test('of ten megabytes as much is kept as was asked for, and the child ends', async () => {
  const result = await shell('head -c 10000000 /dev/zero; echo end >&2', { outputLimit: 12_345 });
  assert.is(result.status, 0);
  assert.is(result.stdout.length, 12_345);
  assert.is(decodeUtf8(result.stderr), 'end\n');
  const whole = await shell('head -c 10000000 /dev/zero', { outputLimit: 20_000_000 });
  assert.is(whole.stdout.length, 10_000_000);
  assert.is((await shell('head -c 2000000 /dev/zero')).stdout.length, 1 << 20, 'the default');
  assert.is((await shell('echo x', { outputLimit: 0 })).stdout.length, 0);
});

test('a timeout ends the child and what it has started', async () => {
  const path = scratchPath();
  const result = await shell(`echo begun; (sleep 0.3; touch ${path}) & sleep 30`, { timeout: 100 });
  assert.is(result.timedOut, true);
  assert.is(result.signal, 'SIGKILL');
  assert.is(decodeUtf8(result.stdout), 'begun\n');
  await sleep(400);
  assert.is(fileStatus(path), null);
});

test('after a timeout nobody waits for who got away with the outputs', async () => {
  const result = await shell('echo begun; setsid sleep 3 & sleep 30', { timeout: 100 });
  assert.is(result.timedOut, true);
  assert.is(decodeUtf8(result.stdout), 'begun\n');
});

test('a child in time has not timed out', async () => {
  assert.is((await shell('true', { timeout: 10_000 })).timedOut, false);
});

test('without a timeout the outputs are waited for to their end', async () => {
  assert.is(decodeUtf8((await shell('(sleep 0.1; echo late) &')).stdout), 'late\n');
});

test('a program that is not there, or may not be run', () => {
  failsWith('ENOENT', () => spawn(['nonexistent-program'], {}, nothing));
  failsWith('EACCES', () => spawn(['/etc/passwd'], {}, nothing));
  failsWith('ENOENT', () => spawn(['true'], { cwd: '/nonexistent' }, nothing));
});

test('environment and working directory', async () => {
  const result = await run(['sh', '-c', 'pwd; env | sort'], { cwd: '/proc', env: { B: 'é=1', A: '' } });
  assert.match(result.stdout, /^\/proc\nA=\nB=é=1\n/);
  assert.not.match(result.stdout, /HOME=/);
});

test('arguments arrive as they are', async () => {
  const result = await run(['printf', '%s|', '', 'a b', "'$x", 'é']);
  assert.is(result.stdout, "|a b|'$x|é|");
});

test('a child has no descriptors of ours', async () => {
  const result = await run(['sh', '-c', 'ls /proc/self/fd']);
  assert.is(result.stdout, '0\n1\n2\n3\n');
});

test('a running child can be killed, one that has ended cannot', async () => {
  const results: SpawnResult[] = [];
  const child: Process = spawn(['sleep', '30'], {}, (result) => results.push(result));
  kill(child.pid, 0);
  child.kill('SIGTERM');
  await until(() => results.length > 0, 'ended');
  assert.equal(
    results.map(({ status, signal }) => [status, signal]),
    [[null, 'SIGTERM']],
  );
  failsWith('ESRCH', () => child.kill('SIGTERM'));
  assert.type(child.pid, 'number');
});

test('fifty children at once', async () => {
  const results = await Promise.all(Array.from({ length: 50 }, (_, i) => shell(`echo ${i}; exit ${i}`)));
  assert.equal(
    results.map((result) => result.status),
    Array.from({ length: 50 }, (_, i) => i),
  );
  results.forEach((result, i) => assert.is(decodeUtf8(result.stdout), `${i}\n`));
});

test('children leave neither descriptors nor zombies', async () => {
  const before = readDirectory('/proc/self/fd').length;
  for (let i = 0; i < 20; i++) await shell('echo x; exit 1', { input: 'y', timeout: 5000 });
  for (let i = 0; i < 20; i++) failsWith('ENOENT', () => spawn(['nonexistent-program'], { input: 'x' }, nothing));
  assert.is(readDirectory('/proc/self/fd').length, before);
  const children = await run(['sh', '-c', 'ps -o stat= --ppid $PPID | grep -c Z']);
  assert.is(children.stdout, '0\n');
});

test('when descriptors run out, it is said, and none is lost', async () => {
  const outcome = await runScript(
    `
    const before = r.readDirectory('/proc/self/fd').length;
    const kept = [];
    try { for (;;) kept.push(new r.Socket('inet', 'dgram')); } catch (error) { console.log(error.code); }
    for (let spare = 0; spare < 8; spare++) {
      try { r.spawn(['true'], {input: ''}, () => {}); } catch (error) { if (error.code !== 'EMFILE') throw error; }
      kept.pop().close();
    }
    for (const socket of kept) socket.close();
    r.setTimer(() => console.log(r.readDirectory('/proc/self/fd').length - before), 300);`,
    { wrapper: ['sh', '-c', 'ulimit -n 40; exec "$@"', 'sh'] },
  );
  assert.is(outcome.stdout, 'EMFILE\n0\n');
});

test('outputs that are inherited are ours', async () => {
  const outcome = await runScript(
    `
    console.log('one');
    r.spawn(['sh', '-c', 'cat; echo two; echo error >&2'], { inherit: true }, (x) => console.log(x.status, x.stdout.length));`,
    { input: 'input\n' },
  );
  assert.is(outcome.stdout, 'one\ninput\ntwo\n0 0\n');
  assert.is(outcome.stderr, 'error\n');
});

test('a child keeps the process alive', async () => {
  const outcome = await runScript(`r.spawn(['sleep', '0.2'], {}, () => console.log('done'));`);
  assert.is(outcome.stdout, 'done\n');
});

test('closed standard streams are not taken for our own descriptors', async () => {
  const path = scratchPath();
  const outcome = await runScript(`r.spawn(['cat'], { input: 'x' }, (x) => r.writeFile(r.args[0], x.stdout));`, {
    args: [path],
    wrapper: ['sh', '-c', 'exec "$@" <&- >&- 2>&-', 'sh'],
  });
  assert.is(outcome.status, 0);
  assert.is(fileStatus(path)?.size, 1);
});

test('wrong arguments', () => {
  refusesAllBut(['array'], (value) => spawn(value, {}, nothing));
  refusesAllBut(['text'], (value) => spawn(['true', value], {}, nothing));
  refusesAllBut(['object', 'array', 'function', 'bytes'], (value) => spawn(['nonexistent-program'], value, nothing));
  refusesAllBut(['function'], (value) => spawn(['true'], {}, value));
  assert.throws(
    () => spawn([], {}, nothing),
    (error: unknown) => error instanceof RangeError,
  );
  const refused: Record<string, readonly string[]> = {
    input: ['undefined', 'text', 'bytes'],
    env: ['undefined', 'object', 'array', 'function', 'bytes'],
    cwd: ['undefined', 'text'],
    timeout: ['undefined', 'number'],
    outputLimit: ['undefined', 'number'],
    inherit: ['undefined', 'boolean'],
  };
  for (const [option, accepted] of Object.entries(refused)) {
    refusesAllBut(accepted, (value) => spawn(['true'], { [option]: value }, nothing));
  }
  refusesAllBut(['text'], (value) => spawn(['true'], { env: { X: value } }, nothing));
  for (const bad of ['a\0b']) {
    assert.throws(
      () => spawn([bad], {}, nothing),
      (error: unknown) => error instanceof TypeError,
    );
  }
  const getter = {
    get input(): string {
      throw new Error('from the getter');
    },
  };
  assert.throws(() => spawn(['true'], getter, nothing), /from the getter/);
  const child = spawn(['true'], {}, nothing);
  const method = child.kill;
  refusesAllBut([], (value) => method.call(value, 'SIGTERM'));
  refusesAllBut([], (value) => child.kill(value));
  assert.is(encodeUtf8(scratch()).length > 0, true);
});

test.after(removeScratch);
test.run();
