import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Service } from '../../src/config/model.ts';
import { parsePrefix } from '../../src/net/address.ts';
import { diffRulesets, removeRuleset, replaceRuleset } from '../../src/plan/ruleset-diff.ts';
import { buildRuleset } from '../../src/ruleset/build.ts';
import { address, deployment, environment, service } from './support/deployments.ts';
import { Kernel } from './support/kernel.ts';

const prefix = (text: string) => [parsePrefix(text)].flatMap((found) => found ?? []);

const services = fc
  .record({
    count: fc.integer({ min: 1, max: 6 }),
    protocols: fc.constantFrom<Service['protocols'][]>(['tcp'], ['udp'], ['tcp', 'udp'], ['all']),
    ports: fc.constantFrom(
      [],
      [{ first: 80, last: 80 }],
      [
        { first: 80, last: 80 },
        { first: 8000, last: 8010 },
      ],
    ),
    ghosts: fc.constantFrom(['198.51.100.1'], ['198.51.100.1', '2001:db8:100::1'], ['203.0.113.7'], ['203.0.113.1']),
    deny: fc.constantFrom([], ['10.0.0.0/8'], ['10.0.0.0/8', '2001:db8:bad::/48']),
    allow: fc.constantFrom([], ['192.0.2.0/24']),
    sources: fc.constantFrom(['wan'], ['wan', 'br-lan']),
    slots: fc.constantFrom(256, 512),
    hash: fc.constantFrom<Service['hash'][]>('source', 'source_port'),
    second: fc.boolean(),
  })
  .map(({ count, ghosts, deny, allow, second, ...changes }) => {
    const web = service(count, {
      ...changes,
      ghosts: ghosts.map(address),
      deny: deny.flatMap(prefix),
      allow: allow.flatMap(prefix),
    });
    return second ? [web, service(2, { name: 'mail', ghosts: [address('198.51.100.25')] })] : [web];
  });

const around = fc
  .record({
    wanMtu: fc.constantFrom(1400, 1500),
    lanMtu: fc.constantFrom(1400, 1500),
    lanIndex: fc.constantFrom(3, 9),
    wanHardware: fc.boolean(),
    wanAbsent: fc.boolean(),
  })
  .map(environment);

const rulesets = fc
  .tuple(fc.oneof(services, fc.constant([])), around)
  .map(([list, router]) => buildRuleset(deployment(list, router)));

test('from any ruleset to any other: the kernel accepts it and holds what a full load would give', () => {
  fc.assert(
    fc.property(fc.array(rulesets, { minLength: 2, maxLength: 4 }), (steps) => {
      const kernel = new Kernel();
      let before = { tables: [] } as (typeof steps)[number];
      for (const after of steps) {
        kernel.run(diffRulesets(before, after).commands);
        const fresh = new Kernel();
        fresh.run(replaceRuleset(after).commands);
        assert.is(kernel.state(), fresh.state());
        before = after;
      }
    }),
    { numRuns: 60 },
  );
});

test('no difference, no command', () => {
  fc.assert(
    fc.property(rulesets, (ruleset) => {
      const change = diffRulesets(ruleset, ruleset);
      assert.equal(change, { commands: [], summary: [] });
    }),
    { numRuns: 30 },
  );
});

test('a slot that moves is one element less and one more, in each table', () => {
  const [before, after] = [0, 1].map((owner) => {
    const deployed = deployment([service(2)]);
    for (const { tables } of deployed.services) tables[4]?.set([owner], 17);
    return buildRuleset(deployed);
  });
  assert.ok(before && after);
  const { commands, summary } = diffRulesets(before, after);
  assert.is(commands.length, 4);
  assert.ok(commands.every((text) => /"elem":\[\[17,/.test(text)));
  assert.equal(summary, [
    '~ inet map web/slot: 1 slot moves: web1 → web2 1',
    '~ netdev map web/slot: 1 slot moves: web1 → web2 1',
  ]);
});

test('a device that comes back under another number gets its chains and forwards anew', () => {
  const [before, after] = [3, 9].map((lanIndex) => buildRuleset(deployment([service(2)], environment({ lanIndex }))));
  assert.ok(before && after);
  const { summary } = diffRulesets(before, after);
  assert.equal(summary, [
    '~ netdev chain from/br-lan (4 rules)',
    '~ netdev chain web/to/web1 (2 rules)',
    '~ netdev chain web/to/web2 (2 rules)',
  ]);
});

test('removal works whether the tables are there or not', () => {
  const kernel = new Kernel();
  kernel.run(removeRuleset().commands);
  kernel.run(replaceRuleset(buildRuleset(deployment([service(3)]))).commands);
  kernel.run(removeRuleset().commands);
  assert.is(kernel.tables.size, 0);
});

test.run();
