import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LoadedRuleset } from '../../src/daemon/loaded-ruleset.ts';
import type { SlotChange } from '../../src/netlink/slot-elements.ts';
import { replaceRuleset } from '../../src/plan/ruleset-diff.ts';
import { slotElements, stageLoad } from '../../src/plan/staged-load.ts';
import { buildRuleset } from '../../src/ruleset/build.ts';
import type { Ruleset } from '../../src/ruleset/ruleset.ts';
import { deployment, service } from './support/deployments.ts';
import { Kernel, slotCommands } from './support/kernel.ts';

/** A kernel that tells how it was loaded. */
class Recorder {
  readonly kernel = new Kernel();
  readonly loads: string[] = [];
  fills = 0;
  /** Called before anything is loaded. */
  watch: () => void = () => undefined;

  load(transaction: string): void {
    this.watch();
    const { nftables } = JSON.parse(transaction) as { nftables: unknown[] };
    this.loads.push(transaction);
    this.kernel.run(nftables.map((command) => JSON.stringify(command)));
  }

  moveSlots(change: SlotChange): void {
    this.watch();
    this.fills++;
    this.kernel.run(slotCommands(this.kernel, change));
  }

  holdsTables(): boolean {
    return this.kernel.tables.size > 0;
  }
}

const rulesetOf = (slots: number, ...names: string[]): Ruleset =>
  buildRuleset(deployment(names.map((name, index) => service(3, { name, slots, ports: [port(80 + index)] }))));
const port = (number: number) => ({ first: number, last: number });

/** What the kernel holds of a ruleset that came in one transaction. */
function atOnce(ruleset: Ruleset): string {
  const kernel = new Kernel();
  kernel.run(replaceRuleset(ruleset).commands);
  return kernel.state();
}

test('a ruleset in stages is the ruleset', () => {
  const recorder = new Recorder();
  const ruleset = rulesetOf(4096, 'web', 'mail');
  new LoadedRuleset(recorder).load(ruleset);
  assert.is(recorder.fills, 4, 'one for each table of each service');
  assert.is(recorder.loads.length, 2);
  assert.is(recorder.kernel.state(), atOnce(ruleset));
});

test('in stages, no base chain is there before the last one, and no element goes through libnftables', () => {
  const recorder = new Recorder();
  const hooks = () => recorder.loads.filter((text) => text.includes('"hook"')).length;
  recorder.watch = () => assert.is(hooks(), 0);
  new LoadedRuleset(recorder).load(rulesetOf(4096, 'web'));
  assert.is(hooks(), 1);
  assert.not.ok(recorder.loads.some((text) => text.includes('web/slot","elem"')));
});

test('where our tables are there, a usual service comes in one transaction', () => {
  const recorder = new Recorder();
  const ruleset = rulesetOf(4096, 'web');
  new LoadedRuleset(recorder).load(ruleset);
  const after = { loads: recorder.loads.length, fills: recorder.fills };
  new LoadedRuleset(recorder).load(ruleset);
  assert.equal([recorder.loads.length - after.loads, recorder.fills - after.fills], [1, 0]);
  assert.is(recorder.kernel.state(), atOnce(ruleset));
});

test('a refused difference never takes away what is loaded', () => {
  const recorder = new Recorder();
  const loaded = new LoadedRuleset(recorder);
  loaded.load(rulesetOf(4096, 'web', 'mail', 'dns'));
  const before = recorder.kernel.state();
  recorder.watch = () => {
    throw new Error('nft refuses: no');
  };
  assert.throws(() => loaded.load(rulesetOf(4096, 'web', 'mail')), /nft refuses: no/);
  assert.is(recorder.kernel.state(), before);
});

test('small tables come in one transaction', () => {
  const recorder = new Recorder();
  const ruleset = rulesetOf(256, 'web');
  assert.ok(slotElements(ruleset) > 0);
  new LoadedRuleset(recorder).load(ruleset);
  assert.equal([recorder.loads.length, recorder.fills], [1, 0]);
});

test('fills are made one at a time, so that one of them is in memory', () => {
  const [first, ...others] = [...stageLoad(rulesetOf(4096, 'web', 'mail')).fills];
  assert.is(others.length, 3);
  assert.is(first?.moves.length, 1);
});

test.run();
