import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Service } from '../../src/config/model.ts';
import type { DeployedService, Deployment, SlotTables } from '../../src/deployment/deployment.ts';
import { prepare } from '../../src/deployment/steps.ts';
import { diffRulesets, replaceRuleset } from '../../src/plan/ruleset-diff.ts';
import { slotChange } from '../../src/plan/slot-moves.ts';
import { buildRuleset, differsInElements, withElements } from '../../src/ruleset/build.ts';
import type { Ruleset } from '../../src/ruleset/ruleset.ts';
import { observe, step } from '../../src/transition/state.ts';
import type { TransitionState } from '../../src/transition/state.ts';
import { deployment, service } from './support/deployments.ts';
import { Kernel, slotCommands } from './support/kernel.ts';

const isNode = typeof process !== 'undefined';

const SERVERS = ['web1', 'web2', 'web3', 'web4'];

interface Turn {
  readonly from: number;
  readonly to: number;
  readonly every: number;
  readonly family: 4 | 6 | 'both';
  readonly dead: readonly string[];
  /** Milliseconds. */
  readonly wait: number;
}

const turns: fc.Arbitrary<Turn> = fc.record({
  from: fc.nat({ max: SERVERS.length - 1 }),
  to: fc.nat({ max: SERVERS.length - 1 }),
  every: fc.integer({ min: 1, max: 8 }),
  family: fc.constantFrom('both' as const, 'both' as const, 4 as const, 6 as const),
  dead: fc.subarray(SERVERS, { maxLength: 2 }),
  wait: fc.constantFrom(0, 1000, 31_000, 300_000),
});

const settings: fc.Arbitrary<Partial<Service>> = fc.record({
  protocols: fc.constantFrom<Service['protocols'][]>(['tcp'], ['udp'], ['tcp', 'udp'], ['all']),
  ports: fc.constantFrom([], [{ first: 80, last: 80 }]),
  onChange: fc.constantFrom<Service['onChange'][]>('keep', 'reset'),
  onFailure: fc.constantFrom<Service['onFailure'][]>('pass', 'reset', 'drop'),
});

/** What every run begins with, however few there are: slots that move twice, the second time between the same servers. */
const turn: Turn = { from: 0, to: 1, every: 2, family: 'both', dead: [], wait: 1000 };
const examples: [Partial<Service>, Turn[]][] = [[{ protocols: ['tcp'] }, [turn, { ...turn, every: 1 }]]];

/** A service through its changes and what prepares each, the first time at rest. */
function deploymentsOf(changes: Partial<Service>, list: readonly Turn[], servers = SERVERS.length): Deployment[] {
  const start = deployment([service(servers, changes)]);
  const [first] = start.services;
  if (!first) throw new Error('no service');
  let deployed: DeployedService = first;
  const deployments = [start];
  let latest = start;
  let state: TransitionState | undefined;
  let now = 0;
  for (const { from, to, every, family, dead, wait } of list) {
    const { servers, tables }: DeployedService = deployed;
    const move = (table: Uint16Array = new Uint16Array()) =>
      table.map((owner, slot) => (owner === from && slot % every === 0 ? to : owner));
    const both = tables[4] === tables[6] && family === 'both' ? move(tables[4]) : undefined;
    const after = {
      4: both ?? (family === 6 ? tables[4] : move(tables[4])) ?? new Uint16Array(),
      6: both ?? (family === 4 ? tables[6] : move(tables[6])) ?? new Uint16Array(),
    };
    const alive = (server: string) => !dead.includes(server);
    now += wait;
    const party = (of: SlotTables) => ({ tables: of, servers });
    state = state && observe(state, { kept: new Map(), reset: 0n, silence: 0n }, now);
    state = step(state, { service: deployed.service, before: party(tables), after: party(after), alive, now });
    deployed = { ...first, tables: after, ...(state ? { transition: state.transition } : {}) };
    const next = { ...start, services: [deployed] };
    const prepared = prepare(latest, next);
    deployments.push(...(prepared ? [prepared] : []), next);
    latest = next;
  }
  return deployments;
}

test('through any changes: the kernel accepts each step and holds what a full load would give', () => {
  let moving = 0;
  fc.assert(
    fc.property(settings, fc.array(turns, { minLength: 1, maxLength: 4 }), (changes, list) => {
      const kernel = new Kernel();
      let before: Ruleset = { tables: [] };
      for (const after of [...deploymentsOf(changes, list), ...deploymentsOf(changes, [])].map(buildRuleset)) {
        kernel.run(diffRulesets(before, after).commands);
        const fresh = new Kernel();
        fresh.run(replaceRuleset(after).commands);
        assert.is(kernel.state(), fresh.state());
        before = after;
        if (after.tables.some(({ slotMaps }) => slotMaps.some(({ verdict }) => verdict === 'jump'))) moving++;
      }
    }),
    { numRuns: isNode ? 10 : 2, examples },
  );
  assert.ok(moving > 0);
});

test('while the same servers are recorded only elements change, and moving these alone gives what a full load would', () => {
  let quick = 0;
  fc.assert(
    fc.property(settings, fc.array(turns, { minLength: 2, maxLength: 6 }), (changes, list) => {
      const steps = deploymentsOf(changes, list);
      const kernel = new Kernel();
      let held: Ruleset | undefined;
      steps.forEach((after, index) => {
        const before = steps[index - 1];
        const wanted = buildRuleset(after);
        if (held && before && differsInElements(before, after)) {
          const ruleset = withElements(held, after);
          assert.equal(ruleset, wanted);
          kernel.run(slotCommands(kernel, slotChange(held, ruleset)));
          quick++;
        } else kernel.run(diffRulesets(held ?? { tables: [] }, wanted).commands);
        held = wanted;
        const fresh = new Kernel();
        fresh.run(replaceRuleset(wanted).commands);
        assert.is(kernel.state(), fresh.state());
      });
    }),
    { numRuns: isNode ? 10 : 2, examples },
  );
  assert.ok(quick > 0);
});

/**
 * How many chains a kernel looks at that follows every jump and every element of every map anew, wherever it is reached, as
 * those do that do not remember which chains they have seen (nft_table_validate in Linux 6.1).
 */
function validationSteps({ tables }: Ruleset): number {
  return tables.reduce((sum, { chains, sets, slotMaps }) => {
    const steps = new Map<string, number>();
    const stepsOf = (name: string): number => {
      const known = steps.get(name);
      if (known !== undefined) return known;
      const chain = chains.find((other) => other.name === name);
      const count = 1 + (chain ? behind(chain.rules.map(({ statements }) => statements)) : 0);
      steps.set(name, count);
      return count;
    };
    const behindMap = (name: string): number => {
      const slotMap = slotMaps.find((map) => map.name === name);
      if (!slotMap) return behind(sets.find((map) => map.name === name)?.elements ?? []);
      return slotMap.slots.reduce((all, place) => {
        const target = slotMap.targets[place];
        return target === undefined ? all : all + stepsOf(target);
      }, 0);
    };
    const behind = (part: unknown): number => {
      if (typeof part !== 'object' || part === null) return 0;
      return Object.entries(part).reduce((all, [key, value]: [string, unknown]) => {
        const { target, data } = (value ?? {}) as { target?: string; data?: unknown };
        if ((key === 'goto' || key === 'jump') && target !== undefined) return all + stepsOf(target);
        if (key === 'vmap' && typeof data === 'string') return all + behindMap(data.replace('@', ''));
        return all + behind(value);
      }, 0);
    };
    return sum + chains.filter(({ hook }) => hook).reduce((all, { name }) => all + stepsOf(name), 0);
  }, 0);
}

test('no map of slots is behind another one, each of whose elements would lead the kernel through all of it', () => {
  let worst = 0;
  fc.assert(
    fc.property(settings, fc.array(turns, { minLength: 1, maxLength: 6 }), (changes, list) => {
      const [rest = 0, ...moving] = deploymentsOf(changes, list).map((step) => validationSteps(buildRuleset(step)));
      assert.ok(rest > 4096, 'each slot at least');
      for (const steps of moving) worst = Math.max(worst, steps / rest);
    }),
    { numRuns: isNode ? 30 : 4 },
  );
  console.log(`# chains that the kernel validates in a change: up to ${worst.toFixed(1)} times as many as at rest`);
  assert.ok(worst < 10, `${worst} times as many as at rest`);
});

test('nor are the records of all servers behind each slot that several have had', () => {
  const servers = 16;
  const list = Array.from({ length: 2 * servers }, (_, index): Turn => {
    const from = index % servers;
    return { from, to: (from + 1) % servers, every: 1, family: 'both', dead: [], wait: 1000 };
  });
  const [rest = 0, ...moving] = deploymentsOf({ protocols: ['tcp'], slots: 4096 }, list, servers)
    .map(buildRuleset)
    .map(validationSteps);
  const worst = Math.max(...moving) / rest;
  console.log(`# the same with ${servers} servers that have all had each other's slots: ${worst.toFixed(1)} times`);
  assert.ok(worst < 1.5, `${worst} times as many as at rest`);
});

test.run();
