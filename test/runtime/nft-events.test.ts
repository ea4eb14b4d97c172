import { monotonic, nft } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readCounters } from '../../src/host/counters.ts';
import { type ForeignChange, TableWatch } from '../../src/host/nft-events.ts';
import { enterNamespace, runOnLines, shell } from './support/namespace.ts';
import { removeScratch } from './support/script.ts';
import { sleep, until } from './support/turns.ts';

await enterNamespace();

let watch: TableWatch;
let heard: ForeignChange[];

test.before.each(async () => {
  await shell('nft flush ruleset');
  heard = [];
  watch = new TableWatch('oneip', (change) => heard.push(change));
});

test.after(removeScratch);

test.after.each(() => watch.close());

const add = (family: string, name: string) => ({ add: { table: { family, name } } });
const load = (...commands: object[]) => nft.run(JSON.stringify({ nftables: commands }));
const tables = () =>
  heard.flatMap(({ events }) => events.map(({ table, family, message }) => [table, family, message]));

/** Makes a table with any number of rules. */
function manyRules(table: string, count: number): Promise<void> {
  const rules = Array.from(
    { length: count },
    (_, n) => `add rule inet ${table} c ip saddr 10.0.${n >> 8}.${n & 255} counter`,
  );
  return runOnLines(['nft', '-f'], [`add table inet ${table}`, `add chain inet ${table} c`, ...rules]);
}

test('our own transactions are not told, whatever their size', async () => {
  const elements = Array.from({ length: 4096 }, (_, n) => [n, { accept: null }]);
  const map = { family: 'inet', table: 'oneip', name: 'm', type: 'mark', map: 'verdict', elem: elements };
  const before = watch.generation();
  assert.is(watch.transaction(() => load(add('inet', 'oneip'), { add: { map } })).status, 0);
  assert.is(watch.generation(), before + 1);
  await sleep(50);
  assert.equal(heard, []);
});

test('named counters of our tables, those of one name added up', () => {
  const counter = (family: string, table: string, name: string, packets: number, bytes: number) => ({
    add: { counter: { family, table, name, packets, bytes } },
  });
  assert.equal([...readCounters(watch.channel)], []);
  const large = 2 ** 40;
  const result = load(
    ...[add('inet', 'oneip'), add('netdev', 'oneip'), add('inet', 'other')],
    counter('inet', 'oneip', 'web/web1', 3, large),
    counter('netdev', 'oneip', 'web/web1', 4, 5),
    counter('netdev', 'oneip', 'web/kept/web2', 1, 60),
    counter('inet', 'other', 'web/web1', 100, 100),
    { add: { quota: { family: 'inet', table: 'oneip', name: 'q', bytes: 1, used: 0, inv: false } } },
  );
  assert.is(result.status, 0, result.error);
  assert.equal(readCounters(watch.channel).get('web/web1'), { packets: 7n, bytes: BigInt(large) + 5n });
  assert.equal([...readCounters(watch.channel).keys()].sort(), ['web/kept/web2', 'web/web1']);
});

test('a refused transaction is nobody’s change', async () => {
  assert.is.not(watch.transaction(() => load({ delete: { table: { family: 'inet', name: 'absent' } } })).status, 0);
  await sleep(20);
  assert.equal(heard, []);
});

test('a table of ours that somebody deletes is told at once, in every family', async () => {
  for (const [family, number] of [
    ['inet', 1],
    ['ip', 2],
    ['netdev', 5],
  ] as const) {
    watch.transaction(() => load(add(family, 'oneip')));
    heard.length = 0;
    await shell(`nft delete table ${family} oneip`);
    await until(() => heard.length > 0, 'told');
    assert.equal(tables(), [['oneip', number, 2]]);
  }
});

test('`nft flush ruleset` is told, among all the others’ tables', async () => {
  watch.transaction(() => load(add('inet', 'oneip')));
  await manyRules('fw4', 2000);
  const begin = monotonic();
  await shell('nft flush ruleset');
  await until(() => heard.length > 0, 'told');
  console.log(`# a flush among 2000 rules is known ${(monotonic() - begin).toFixed(0)} ms after nft was started`);
  assert.equal(tables(), [['oneip', 1, 2]]);
});

test('a rule that somebody puts into a chain of ours is told', async () => {
  watch.transaction(() =>
    load(add('inet', 'oneip'), { add: { chain: { family: 'inet', table: 'oneip', name: 'c' } } }),
  );
  await shell('nft add rule inet oneip c counter');
  await until(() => heard.length > 0, 'told');
  assert.equal(tables(), [['oneip', 1, 6]]);
});

test('reloads of another table are not told, however large', async () => {
  await manyRules('fw4', 5000);
  await shell('nft flush table inet fw4; nft delete table inet fw4; nft add table inet oneip2; nft add table inet one');
  await sleep(50);
  assert.equal(heard, []);
});

test('what others commit during our transaction is told as unheard, afterwards', async () => {
  watch.transaction(() => {
    load(add('inet', 'other'));
    return load(add('inet', 'oneip'));
  });
  assert.equal(heard, []);
  await until(() => heard.length > 0, 'told');
  assert.equal(heard, [{ events: [], unheard: true }]);
});

test('a throw in a transaction leaves the watch listening', async () => {
  assert.throws(() =>
    watch.transaction(() => {
      throw new Error('thrown');
    }),
  );
  await shell('nft add table ip oneip');
  await until(() => heard.length > 0, 'told');
  assert.equal(tables(), [['oneip', 2, 0]]);
});

test('more changes than there is room for are told as unheard', async () => {
  const before = watch.generation();
  const done = manyRules('oneip', 30000);
  // While the loop does not turn, nothing is read.
  for (const begin = monotonic(); watch.generation() === before && monotonic() < begin + 30_000;);
  for (const begin = monotonic(); monotonic() < begin + 500;);
  await done;
  await until(() => heard.some(({ unheard }) => unheard), 'unheard');
});

test.run();
