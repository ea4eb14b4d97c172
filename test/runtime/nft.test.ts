import { nft } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { removeScratch, runScript, runtime } from './support/script.ts';
import type { Outcome } from './support/script.ts';
import { refusesAllBut } from './support/throws.ts';

/** Runs a script in a network namespace of its own, where the ruleset is empty. */
const inNamespace = (source: string): Promise<Outcome> =>
  runScript(
    `
    const run = (...commands) => r.nft.run(JSON.stringify({ nftables: commands }));
    const list = () => JSON.parse(run({ list: { ruleset: null } }).json).nftables.slice(1);
    const table = { family: 'inet', name: 't' };
    const set = { family: 'inet', table: 't', name: 's', type: 'ipv4_addr' };
    ${source}`,
    { wrapper: ['unshare', '-n'] },
  );

test('a transaction is done, and listed', async () => {
  const outcome = await inNamespace(`
    console.log(run({ add: { table } }, { add: { set: { ...set, elem: ['192.0.2.1'] } } }));
    console.log(list().map((each) => Object.keys(each)[0]), list()[1].set.elem);`);
  assert.is(outcome.stderr, '');
  assert.is(outcome.stdout, '{"status":0,"json":"","error":""}\n["table","set"] ["192.0.2.1"]\n');
});

test('a failed transaction changes nothing, says why, and the next one is not troubled by it', async () => {
  const outcome = await inNamespace(`
    run({ add: { table } });
    const failed = run({ add: { set } }, { add: { chain: { family: 'inet', table: 'missing', name: 'c' } } });
    console.log(failed.status !== 0, /No such file/.test(failed.error), list().length);
    console.log(run({ add: { set } }).status, list().length);
    const again = run({ create: { set } });
    console.log(again.status !== 0, /File exists/.test(again.error), list().length);`);
  assert.is(outcome.stderr, '');
  assert.is(outcome.stdout, 'true true 1\n0 2\ntrue true 2\n');
});

test('a change made by somebody else is seen', async () => {
  const outcome = await inNamespace(`
    run({ add: { table } });
    r.spawn(['nft', 'delete table inet t; add table ip other'], {}, () => {
      console.log(list().map((each) => each.table.name));
      console.log(run({ add: { set } }).status !== 0, run({ add: { table } }, { add: { set } }).status);
    });`);
  assert.is(outcome.stdout, '["other"]\ntrue 0\n');
});

test('what is no JSON object is refused, and no command of the nft language is run', async () => {
  const outcome = await inNamespace(`
    run({ add: { table } });
    for (const text of ['', 'flush ruleset', '[]', ' \\n', '{', '{"nftables": 1}', '{"nftables": [{"flush": 1}]}', '{} flush ruleset']) {
      const { status, error } = r.nft.run(text);
      console.log(status !== 0, error.length > 0);
    }
    console.log(list().length);`);
  assert.is(outcome.stdout, `${'true true\n'.repeat(8)}1\n`);
});

test('a terse listing has no elements', async () => {
  const outcome = await inNamespace(`
    run({ add: { table } }, { add: { set: { ...set, elem: ['192.0.2.1'] } } });
    const text = JSON.stringify({ nftables: [{ list: { ruleset: null } }] });
    console.log(r.nft.run(text, true).json.includes('192.0.2.1'), r.nft.run(text, false).json.includes('192.0.2.1'));`);
  assert.is(outcome.stdout, 'false true\n');
});

test('a map of 4096 elements is loaded, twenty times, and the memory is given back', async () => {
  const outcome = await inNamespace(`
    const chains = Array.from({ length: 16 }, (_, i) => ({ add: { chain: { family: 'inet', table: 't', name: 'c' + i } } }));
    const elem = Array.from({ length: 4096 }, (_, i) => [i, { jump: { target: 'c' + (i % 16) } }]);
    const map = { family: 'inet', table: 't', name: 'm', type: 'mark', map: 'verdict', elem };
    const kilobytes = (name) => Number(new RegExp(name + ':\\\\s+(\\\\d+)').exec(r.decodeUtf8(r.readFile('/proc/self/smaps_rollup')))[1]);
    let first = 0;
    for (let i = 0; i < 20; i++) {
      const { status, error } = run({ add: { table } }, { delete: { table } }, { add: { table } }, ...chains, { add: { map } });
      if (status !== 0) throw new Error(error);
      r.memory.trim();
      if (i === 5) first = kilobytes('Anonymous');
    }
    const growth = kilobytes('Anonymous') - first;
    console.log(list().find((each) => each.map).map.elem.length, growth < 256);`);
  assert.is(outcome.stderr, '');
  assert.match(outcome.stdout, /^4096 /);
  // AddressSanitizer keeps for a while what has been freed.
  if (!runtime.includes('asan')) assert.is(outcome.stdout, '4096 true\n');
});

test('without libnftables it throws, and goes on', async () => {
  const outcome = await runScript(
    `
    console.log(r.nft.available());
    try { r.nft.run('{}'); } catch (error) { console.log(error.message); }`,
    {
      wrapper: [
        'unshare',
        '-m',
        'sh',
        '-c',
        'for f in $(ldconfig -p | sed -n "s/.*libnftables.so.1.*=> //p"); do mount --bind /dev/null "$f"; done; exec "$@"',
        'sh',
      ],
    },
  );
  assert.match(outcome.stdout, /^false\nlibnftables cannot be loaded: .*libnftables.so.1/);
  assert.is(outcome.status, 0);
});

test('wrong arguments', () => {
  assert.is(nft.available(), true);
  refusesAllBut(['text'], (value) => nft.run(value));
  refusesAllBut(['undefined', 'boolean'], (value) => nft.run('', value));
  assert.throws(
    () => nft.run('{}\0'),
    (error: unknown) => error instanceof TypeError,
  );
});

test.after(removeScratch);
test.run();
