import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { slotTables } from '../../src/deployment/slot-tables.ts';
import { service } from './support/deployments.ts';

const names = (table: Uint16Array | undefined, list: readonly { name: string }[]) =>
  [...(table ?? [])].map((owner) => list[owner]?.name);

test('a server that is switched off gives away its own slots and no other moves; switched on, it has them back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 9 }), fc.nat(), (count, which) => {
      const all = service(count, { slots: 512 });
      const off = all.servers[which % count];
      assert.ok(off);
      const without = { ...all, servers: all.servers.filter((server) => server !== off), disabled: [off] };
      const before = names(slotTables(all)[4], all.servers);
      const after = names(slotTables(without)[4], without.servers);
      before.forEach((owner, slot) => {
        if (owner === off.name) assert.is.not(after[slot], off.name);
        else assert.is(after[slot], owner);
      });
      assert.ok(after.every((owner) => owner !== undefined));
    }),
    { numRuns: 20 },
  );
});

test('families with the same servers share one table', () => {
  const tables = slotTables(service(3));
  assert.ok(tables[4] && tables[4] === tables[6]);
});

test('a server without an address of the family gets no slot of it', () => {
  const all = service(3);
  const [first, ...others] = all.servers;
  assert.ok(first?.address);
  const only4 = { name: first.name, address: first.address, weight: 100 };
  const mixed = { ...all, servers: [only4, ...others] };
  const tables = slotTables(mixed);
  assert.ok(names(tables[4], mixed.servers).includes('web1'));
  assert.not(names(tables[6], mixed.servers).includes('web1'));
});

test('nobody to serve: no table', () => {
  assert.equal(slotTables(service(0)), {});
});

test.run();
