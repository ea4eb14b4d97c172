import {
  args,
  awaitGracePeriod,
  decodeUtf8,
  engineVersion,
  getenv,
  interfaceIndex,
  littleEndian,
  monotonic,
  pid,
  randomBytes,
  readFile,
  realtime,
  scriptPath,
  version,
  writeFile,
} from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { removeScratch, run, runScript, runtime, scratchPath } from './support/script.ts';
import { refusesAllBut } from './support/throws.ts';

function scriptFile(source: string): string {
  const path = `${scratchPath()}.js`;
  writeFile(path, source);
  return path;
}

test('a script that has nothing to wait for ends with status 0', async () => {
  assert.equal(await runScript(`console.log('hello');`), {
    status: 0,
    signal: null,
    timedOut: false,
    stdout: 'hello\n',
    stderr: '',
  });
});

test('a grace period ends, wherever the kernel offers to wait for it', () => {
  const began = monotonic();
  const isOffered = awaitGracePeriod();
  assert.is(awaitGracePeriod(), isOffered);
  assert.ok(monotonic() - began < 2_000);
  assert.type(isOffered, 'boolean');
});

test('exit() gives the status, at once, from anywhere', async () => {
  for (const source of [
    `r.exit(7); console.log('never');`,
    `r.setTimer(() => { try { r.exit(7); } finally { console.log('never'); } }, 1); r.setTimer(() => {}, 60000);`,
    `await r.exit(7);`,
    `Promise.reject(1); [2, 1].sort(() => r.exit(7));`,
  ]) {
    const outcome = await runScript(source);
    assert.is(outcome.status, 7, source);
    assert.is(outcome.stdout, '');
  }
  const outcome = await runScript(`
    for (const bad of [-1, 256, 1.5]) { try { r.exit(bad); } catch (e) { console.log(e.name); } }
    try { r.exit('1'); } catch (e) { console.log(e.name); }`);
  assert.is(outcome.stdout, 'RangeError\nRangeError\nRangeError\nTypeError\n');
});

test('a throw at start-up ends with status 1 and the stack', async () => {
  const thrown = await runScript(
    `\nfunction start() { throw new Error('no'); }\nr.setTimer(() => {}, 60000);\nstart();`,
  );
  assert.is(thrown.status, 1);
  assert.match(thrown.stderr, /^Uncaught: Error: no\n {4}at start \(.*:2:\d+\)\n {4}at <anonymous> \(.*:4:\d+\)\n/);
  const rejected = await runScript(
    `r.setTimer(() => {}, 60000); await null; await Promise.reject(new Error('late no'));`,
  );
  assert.is(rejected.status, 1);
  assert.match(rejected.stderr, /^Uncaught: Error: late no\n {4}at/);
  assert.is(rejected.stderr.split('late no').length, 2, 'once');
});

test('top-level await waits, and one that never settles is an error', async () => {
  const waited = await runScript(`await new Promise((done) => r.setTimer(done, 20)); console.log('then');`);
  assert.is(waited.stdout, 'then\n');
  assert.is(waited.status, 0);
  const never = await runScript(`await new Promise(() => {});`);
  assert.is(never.status, 1);
  assert.match(never.stderr, /never settles/);
});

test('a syntax error says where', async () => {
  const outcome = await run([runtime, scriptFile('let ok = 1;\nlet = ;\n')]);
  assert.is(outcome.status, 1);
  assert.match(outcome.stderr, /SyntaxError: [^]*\.js:2/);
});

test('a script may begin with #! and be run by its name', async () => {
  const path = scriptFile(
    `#!${runtime}\nimport { args } from 'oneip:runtime';\nconsole.log(args);\nthrow new Error('x');\n`,
  );
  await run(['chmod', '+x', path]);
  const outcome = await run([path, 'a', '--memory-limit']);
  assert.is(outcome.stdout, '["a","--memory-limit"]\n');
  assert.match(outcome.stderr, /\.js:4:/);
});

test('other modules are imported by relative and absolute path, once each, also in a circle', async () => {
  const b = scriptFile('');
  const a = scriptFile('');
  const [nameA, nameB] = [a, b].map((path) => `./${path.split('/').pop() ?? ''}`);
  writeFile(
    a,
    `import { b } from '${nameB ?? ''}'; export const a = () => 'a' + b(); console.log('a', import.meta.main);`,
  );
  writeFile(b, `import { a } from '${a}'; export const b = () => 'b' + typeof a; console.log('b');`);
  const main = scriptFile(`
    import { a } from '${nameA ?? ''}'; import { b } from '${nameB ?? ''}';
    const again = await import('${nameA ?? ''}');
    console.log(a(), b(), again.a === a, import.meta.main, import.meta.url);`);
  const outcome = await run([runtime, main]);
  assert.is(outcome.stderr, '');
  assert.is(outcome.stdout, `b\na false\nabfunction bfunction true true file://${main}\n`);
});

test('modules that are not there, or do not export what is wanted', async () => {
  for (const [source, reason] of [
    [`import 'node:fs';`, /there is no module "node:fs"/],
    [`import './nonexistent.js';`, /nonexistent\.js: No such file or directory/],
    [`import { nothing } from 'oneip:runtime';`, /nothing/],
  ] as const) {
    const outcome = await run([runtime, scriptFile(source)]);
    assert.is(outcome.status, 1);
    assert.match(outcome.stderr, reason);
  }
  const caught = await runScript(`await import('./nonexistent.js').catch((e) => console.log(e.code));`);
  assert.is(caught.stdout, 'ENOENT\n');
  const thrower = scriptFile(`throw new Error('imported');`);
  const outcome = await run([runtime, scriptFile(`import '${thrower}';`)]);
  assert.is(outcome.status, 1);
  assert.match(outcome.stderr, /Error: imported/);
});

test('what it was started with', async () => {
  assert.is(version.split('.').length, 3);
  assert.match(engineVersion, /^0\.\d+\.\d+/);
  assert.equal(args, []);
  assert.throws(() => (args as string[]).push('x'));
  assert.match(scriptPath, /^\/.*main(\.test)?\.mjs$/);
  assert.is(decodeUtf8(readFile('/proc/self/stat')).split(' ')[0], String(pid));
  assert.is(littleEndian, new Uint8Array(Uint16Array.of(1).buffer)[0] === 1);
  assert.is(getenv('PATH')?.includes('/'), true);
  assert.is(getenv('NOT_SET_AT_ALL'), undefined);
  assert.is(interfaceIndex('lo'), 1);
  assert.is(interfaceIndex('nonexistent'), 0);
  const relative = await run([
    'sh',
    '-c',
    `cd /tmp && exec ${runtime} ${scriptFile(`import { scriptPath } from 'oneip:runtime'; console.log(scriptPath);`).replace('/tmp/', './')}`,
  ]);
  assert.match(relative.stdout, /^\/tmp\/.*\.js\n$/);
});

test('clocks go on', () => {
  const before = Date.now();
  const now = realtime();
  assert.ok(now > before - 2 && now < Date.now() + 2, `${now} after ${before}`);
  // The least of several: somebody else may have the processor for longer.
  const steps = Array.from({ length: 10 }, () => {
    const begin = monotonic();
    while (monotonic() === begin);
    return monotonic() - begin;
  });
  assert.ok(Math.min(...steps) < 10, 'finer than ten milliseconds');
});

test('random bytes are many and not the same', () => {
  assert.is(randomBytes(0).length, 0);
  assert.is(randomBytes(100_000).length, 100_000);
  assert.not.equal(randomBytes(16), randomBytes(16));
  refusesAllBut(['number'], (value) => randomBytes(value));
  refusesAllBut(['text'], (value) => getenv(value));
  refusesAllBut(['text'], (value) => interfaceIndex(value));
});

test('the command line', async () => {
  const told = await run([runtime, '--version']);
  assert.is(told.stdout, `oneip-runtime ${version} (QuickJS-ng ${engineVersion})\n`);
  for (const bad of [
    [],
    ['--nonsense', 'x.js'],
    ['--memory-limit'],
    ['--memory-limit', '1x', 'x.js'],
    ['--memory-limit', '-1', 'x.js'],
  ]) {
    const outcome = await run([runtime, ...bad]);
    assert.is(outcome.status, 2, bad.join(' '));
    assert.match(outcome.stderr, /^usage: oneip-runtime/);
  }
  const missing = await run([runtime, '/nonexistent.js']);
  assert.is(missing.status, 1);
  assert.is(missing.stderr, 'oneip-runtime: /nonexistent.js: No such file or directory\n');
  assert.is((await run([runtime, '/tmp'])).status, 1);
});

test.after(removeScratch);
test.run();
