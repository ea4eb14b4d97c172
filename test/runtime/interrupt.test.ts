import { decodeUtf8, getenv, readFile } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { removeScratch, run, runScript, scratchPath } from './support/script.ts';

const source = `${getenv('ONEIP_ROOT') ?? '.'}/test/runtime/support/interrupt.c`;

/** Runs a script whose system calls are interrupted, or do only part of their work, all the time. */
async function interrupted(script: string, input = ''): Promise<string> {
  const library = `${scratchPath()}.so`;
  const count = scratchPath();
  assert.is((await run(['cc', '-shared', '-fPIC', '-o', library, source])).stderr, '');
  const outcome = await runScript(script, {
    input,
    args: [scratchPath()],
    wrapper: [
      'env',
      `LD_PRELOAD=${library}`,
      `INTERRUPTIONS=${count}`,
      // The library stands before that of AddressSanitizer, which does not like it.
      `ASAN_OPTIONS=verify_asan_link_order=0:${getenv('ASAN_OPTIONS') ?? ''}`,
    ],
  });
  assert.is(outcome.stderr, '');
  assert.is(outcome.status, 0);
  assert.ok(Number(decodeUtf8(readFile(count))) > 5, 'nothing was interrupted');
  return outcome.stdout;
}

test('files', async () => {
  const stdout = await interrupted(`
    const data = new Uint8Array(50000).map((_, i) => i * 7);
    const same = (bytes) => bytes.length === data.length && bytes.every((byte, i) => byte === data[i]);
    const path = r.args[0];
    r.writeFile(path, data); console.log(same(r.readFile(path)));
    r.replaceFile(path, data); console.log(same(r.readFile(path)));
    console.log(r.randomBytes(10000).filter((byte) => byte === 0).length < 200, r.lockFile(path + '.lock'));`);
  assert.is(stdout, 'true\ntrue\ntrue true\n');
});

test('standard input and output', async () => {
  const stdout = await interrupted(
    `r.writeOutput(1, r.decodeUtf8(r.readInput())); console.log('end');`,
    'é'.repeat(5000),
  );
  assert.is(stdout, `${'é'.repeat(5000)}end\n`);
});

test('children', async () => {
  const stdout = await interrupted(`
    const data = new Uint8Array(50000).map((_, i) => i * 7);
    r.spawn(['env', '-u', 'LD_PRELOAD', 'sh', '-c', 'cat; exit 3'], { input: data }, (x) =>
      console.log(x.status, x.stdout.length, x.stdout.every((byte, i) => byte === data[i])));
    r.spawn(['env', '-u', 'LD_PRELOAD', 'sleep', '30'], { timeout: 50 }, (x) => console.log(x.signal));`);
  assert.equal(stdout.trim().split('\n').sort(), ['3 50000 true', 'SIGKILL']);
});

test('sockets, signals and timers', async () => {
  const stdout = await interrupted(`
    const data = new Uint8Array(50000).map((_, i) => i * 7);
    const server = new r.Socket('unix', 'stream'); server.bind({ path: r.args[0] }); server.listen();
    const client = new r.Socket('unix', 'stream'); client.connect({ path: r.args[0] });
    let sent = 0, received = 0, right = true;
    client.onWritable(() => {
      sent += Math.max(0, client.send(data.subarray(sent)));
      if (sent === data.length) client.close();
    });
    server.onReadable(() => {
      const peer = server.accept();
      server.close();
      peer.onReadable(() => {
        const part = peer.receive(4096);
        for (const byte of part?.data ?? []) right &&= byte === data[received++];
        if (part?.data.length === 0) { peer.close(); console.log(received, right); }
      });
    });
    r.onSignal('SIGUSR1', () => { console.log('signal'); clearInterval(interval); });
    let turns = 0;
    const interval = setInterval(() => { if (++turns === 20) r.kill(r.pid, 'SIGUSR1'); }, 5);`);
  assert.is(stdout, '50000 true\nsignal\n');
});

test.after(removeScratch);
test.run();
