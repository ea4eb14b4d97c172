import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Service } from '../../src/config/model.ts';
import type { DeployedService, SlotTables } from '../../src/deployment/deployment.ts';
import { diffRulesets, replaceRuleset } from '../../src/plan/ruleset-diff.ts';
import { buildRuleset } from '../../src/ruleset/build.ts';
import { movedChain } from '../../src/ruleset/history-name.ts';
import type { Ruleset } from '../../src/ruleset/ruleset.ts';
import { observe, step } from '../../src/transition/state.ts';
import type { TransitionState } from '../../src/transition/state.ts';
import type { SlotHistory } from '../../src/transition/transition.ts';
import { deployment, service } from './support/deployments.ts';
import { Kernel } from './support/kernel.ts';

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

/** The rulesets of a service through its changes, the first one at rest. */
function rulesetsOf(changes: Partial<Service>, list: readonly Turn[]): Ruleset[] {
  const start = deployment([service(SERVERS.length, changes)]);
  const [first] = start.services;
  if (!first) throw new Error('no service');
  let deployed: DeployedService = first;
  const rulesets = [buildRuleset(start)];
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
    rulesets.push(buildRuleset({ ...start, services: [deployed] }));
  }
  return rulesets;
}

test('through any changes: the kernel accepts each step and holds what a full load would give', () => {
  let moving = 0;
  fc.assert(
    fc.property(settings, fc.array(turns, { minLength: 1, maxLength: 4 }), (changes, list) => {
      const kernel = new Kernel();
      let before: Ruleset = { tables: [] };
      for (const after of [...rulesetsOf(changes, list), ...rulesetsOf(changes, [])]) {
        kernel.run(diffRulesets(before, after).commands);
        const fresh = new Kernel();
        fresh.run(replaceRuleset(after).commands);
        assert.is(kernel.state(), fresh.state());
        before = after;
        if (after.tables.some(({ slotMaps }) => slotMaps.some(({ verdict }) => verdict === 'jump'))) moving++;
      }
    }),
    { numRuns: isNode ? 12 : 4 },
  );
  assert.ok(moving > 0);
});

const names = fc.constantFrom(
  'a',
  'b',
  'reset',
  'table',
  'x'.repeat(32),
  'y'.repeat(32),
  'z'.repeat(32),
  'w'.repeat(32),
);

const histories: fc.Arbitrary<SlotHistory> = fc
  .record({
    all: fc.uniqueArray(names, { minLength: 1, maxLength: 8 }),
    unknown: fc.constantFrom('reset' as const, 'drop' as const, 'table' as const, 0, 1, 2),
    learning: fc.option(fc.nat({ max: 2 }), { nil: undefined }),
  })
  .map(({ all: [current = '', ...others], unknown, learning }) => {
    const visited = [...others].sort();
    const server = (typeof unknown === 'number' ? visited[unknown] : undefined) ?? current;
    const learns = learning === undefined ? undefined : visited[learning];
    return {
      current,
      unknown: unknown === 'reset' || unknown === 'drop' ? unknown : { server },
      visited,
      ...(learns === undefined ? {} : { learning: learns }),
    };
  });

test('two histories are never called the same, and the kernel takes every name', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(histories, { selector: (history) => JSON.stringify(history), maxLength: 30 }),
      (list) => {
        const chains = list.map((history) => movedChain('service', history));
        assert.is(new Set(chains).size, list.length);
        for (const chain of chains) assert.match(chain, /^service\/moved\/[a-z0-9_./-]{1,120}$/);
      },
    ),
  );
});

test('a history is named for who reads it', () => {
  const name = (history: SlotHistory) => movedChain('web', history);
  assert.is(name({ current: 'c', unknown: { server: 'b' }, visited: ['a', 'b'] }), 'web/moved/b.a-c');
  assert.is(name({ current: 'c', unknown: 'reset', visited: [] }), 'web/moved/c/reset');
  assert.is(
    name({ current: 'c', unknown: { server: 'c' }, visited: ['a'], learning: 'a' }),
    'web/moved/a-c/table/learning-a',
  );
});

test.run();
