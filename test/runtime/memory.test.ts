import { memory } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { removeScratch, runScript } from './support/script.ts';
import { refusesAllBut } from './support/throws.ts';

const exhaust = `const hoard = []; for (;;) hoard.push(new Array(1000).fill(1));`;

test('beyond the limit it is an error, and the process lives on', async () => {
  for (const [flags, before] of [
    [['--memory-limit', '4M'], ''],
    [['--memory-limit', '4096k'], ''],
    [['--memory-limit', '4194304'], ''],
    [[], 'r.memory.setLimit(4 << 20);'],
  ] as const) {
    const outcome = await runScript(
      `${before}
      r.setTimer(() => { ${exhaust} }, 1);
      r.setTimer(() => console.log('alive', r.memory.used() < 4 << 20), 20);`,
      { flags },
    );
    assert.is(outcome.status, 0);
    assert.is(outcome.stdout, 'alive true\n');
    assert.match(outcome.stderr, /^Uncaught: (InternalError: out of memory|null \(out of memory\?\))\n/);
  }
});

test('bindings fail, rather than crash, where there is no memory', async () => {
  const outcome = await runScript(
    `
    const calls = [
      () => r.readFile('/proc/kallsyms'), () => r.randomBytes(1 << 20), () => r.encodeUtf8(text), () => r.decodeUtf8(bytes),
      () => new r.Socket('inet', 'dgram'), () => r.setTimer(() => {}, 1), () => r.readDirectory('/proc'), () => r.fileStatus('/'),
      () => socket.localAddress(), () => socket.receive(1 << 20), () => r.spawn(['true'], { env: { A: 'b' } }, () => {}),
      () => r.nft.run('{"nftables": []}'), () => console.log({ a: 1 }), () => setTimeout(() => {}, 1, 1, 2),
      () => r.readFile('/nonexistent'), () => socket.setFilter([[6, 0, 0, 65535]]),
    ];
    const bytes = new Uint8Array(5000);
    const text = 'x'.repeat(1000);
    const socket = new r.Socket('inet', 'dgram'); socket.bind({ address: '127.0.0.1', port: 0 });
    for (const call of calls) {
      let failures = 0;
      // Less room each time, until nothing fits.
      for (let room = 4000; room >= 0; room -= 40) {
        r.memory.setLimit(r.memory.used() + room + 1);
        try { call(); } catch { failures++; }
        r.memory.setLimit(0);
      }
      if (failures === 0) r.writeOutput(2, call + ' never failed\\n');
    }
    socket.close();`,
    { timeout: 120_000 },
  );
  assert.is(outcome.stderr, '');
  assert.is(outcome.status, 0);
});

test('a limit too small to start with is one sentence', async () => {
  const outcome = await runScript('', { flags: ['--memory-limit', '50k'] });
  assert.is(outcome.status, 1);
  assert.is(outcome.stderr, 'oneip-runtime: the engine cannot start: too little memory\n');
});

test('what is used grows and shrinks', () => {
  memory.trim();
  const before = memory.used();
  let hoard: number[] | undefined = new Array<number>(100_000).fill(1.5);
  assert.ok(memory.used() > before + 100_000, String(hoard.length));
  hoard = undefined;
  memory.trim();
  assert.ok(memory.used() < before + 100_000, String(hoard));
});

test('circles are collected', () => {
  memory.trim();
  const before = memory.used();
  for (let i = 0; i < 10_000; i++) {
    const circle: { self?: unknown } = {};
    circle.self = circle;
  }
  memory.trim();
  assert.ok(memory.used() < before + 10_000);
});

test('functions do not keep their source text, yet errors know their line', async () => {
  const outcome = await runScript(`
    console.log((function named(a) { return 'a secret text' + a; }).toString().includes('secret'));
    const f = () => {
      throw new Error('here'); };
    f();`);
  assert.is(outcome.stdout, 'false\n');
  assert.match(outcome.stderr, /at f \(.*:4:\d+\)/);
});

test('wrong arguments', () => {
  refusesAllBut(['number'], (value) => memory.setLimit(value));
  memory.setLimit(0);
  assert.throws(
    () => memory.setLimit(-1),
    (error: unknown) => error instanceof RangeError,
  );
});

test.after(removeScratch);
test.run();
