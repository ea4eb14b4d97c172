import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { memberEvents } from '../../src/daemon/events.ts';
import type { Model, Server } from '../../src/config/model.ts';
import { decide, memberChanges, members, standing } from '../../src/membership/members.ts';
import type { Member, Opinion } from '../../src/membership/members.ts';
import { failuresOf, formatFailures, parseFailures } from '../../src/membership/failures.ts';
import type { Squad } from '../../src/membership/fleet.ts';
import * as orders from '../../src/membership/orders.ts';
import type { Orders } from '../../src/membership/orders.ts';
import { departures, rosters } from '../../src/membership/roster.ts';
import { address, GLOBALS, service } from './support/deployments.ts';

const UP: Opinion = { up: true, reason: 'connected' };
const DOWN: Opinion = { up: false, reason: 'timed out' };

const model = (...services: Model['services']): Model => ({ globals: GLOBALS, services, watchdogs: [] });

const subject = (server: string, name = 'web') => ({ service: name, server });

/** The only service's servers as they stand: name → state. */
function states(text: Orders, opinions: Record<string, Opinion> = {}, web = service(3)): Record<string, string> {
  const { list } = stand(text, opinions, web);
  return Object.fromEntries(list.map(({ server, state }) => [server.name, state]));
}

function stand(text: Orders, opinions: Record<string, Opinion> = {}, web = service(3), before: readonly Member[] = []) {
  const [roster] = rosters(model(web), text, new Map());
  assert.ok(roster);
  const decisions = decide(roster, text, (server) => opinions[server] ?? UP);
  return {
    roster,
    decisions,
    list: members(decisions, () => false, before, 1000),
    standing: standing(roster, decisions),
  };
}

const order = (server: string, state: 'up' | 'down' | 'drain', until?: number): orders.StateOrder => ({
  ...{ ...subject(server), state, reason: 'ordered', since: 0 },
  ...(until === undefined ? {} : { until }),
});

test('nothing ordered, all well: everybody is up and gets slots', () => {
  assert.equal(states(orders.NO_ORDERS), { web1: 'up', web2: 'up', web3: 'up' });
  assert.is(stand(orders.NO_ORDERS).standing.down.size, 0);
});

test('the operator is believed before the watchdog', () => {
  const said = orders.orderState(orders.orderState(orders.NO_ORDERS, order('web1', 'up')), order('web2', 'down'));
  assert.equal(states(said, { web1: DOWN, web3: DOWN }), { web1: 'up', web2: 'down', web3: 'down' });
  const { list } = stand(said, { web1: DOWN, web3: DOWN });
  assert.equal(
    list.map(({ decider, reason }) => `${decider}: ${reason}`),
    ['operator: ordered', 'operator: ordered', 'watchdog: timed out'],
  );
});

test('a server that dies while it drains is down: it keeps nothing', () => {
  const said = orders.orderState(orders.NO_ORDERS, order('web1', 'drain'));
  assert.is(states(said).web1, 'draining');
  assert.is(states(said, { web1: DOWN }).web1, 'down');
});

test('weight 0 is a drain', () => {
  const said = orders.orderWeight(orders.NO_ORDERS, { ...subject('web1'), weight: 0 });
  assert.is(states(said).web1, 'draining');
});

test('nobody is up: those that drain serve, else all or none as the service wants', () => {
  const drain = orders.orderState(orders.NO_ORDERS, order('web1', 'drain'));
  const others = { web2: DOWN, web3: DOWN };
  assert.equal([...stand(drain, others).standing.down].sort(), ['web2', 'web3']);
  const all = { web1: DOWN, ...others };
  assert.is(stand(orders.NO_ORDERS, all).standing.down.size, 0);
  assert.is(stand(orders.NO_ORDERS, all, service(3, { allDown: 'reject' })).standing.down.size, 3);
});

test('an order of up and down runs out, a drain does not', () => {
  const said = [order('web1', 'down', 500), order('web2', 'drain', 500)].reduce(orders.orderState, orders.NO_ORDERS);
  assert.is(orders.nextExpiry(said, 0), 500);
  assert.is(orders.expireOrders(said, 499), said);
  const later = orders.expireOrders(said, 500);
  assert.equal(
    later.states.map(({ server }) => server),
    ['web2'],
  );
});

test('a server that is added is a member, and one that is removed is none', () => {
  const fourth: Server = { name: 'web4', address: address('192.168.1.40'), weight: 100 };
  const said = orders.orderRemoval(
    orders.orderAddition(orders.NO_ORDERS, { service: 'web', server: fourth }),
    subject('web1'),
  );
  assert.equal(Object.keys(states(said)), ['web2', 'web3', 'web4']);
  const { list } = stand(said);
  assert.is(list.find(({ server }) => server.name === 'web4')?.provenance, 'added');
});

test('who was alive and is taken out leaves; who was dead, or has drained, is gone', () => {
  const [before] = rosters(model(service(3)), orders.NO_ORDERS, new Map());
  const [after] = rosters(model(service(1)), orders.NO_ORDERS, new Map());
  assert.ok(before && after);
  const leaving = departures([before], [after], (_, server) => server !== 'web3');
  assert.equal(
    leaving.get('web')?.map(({ name }) => name),
    ['web2'],
  );
  const [roster] = rosters(model(service(1)), orders.NO_ORDERS, leaving);
  assert.equal(
    roster?.service.servers.map(({ name }) => name),
    ['web1', 'web2'],
  );
  assert.equal([...(roster?.leaving ?? [])], ['web2']);
});

test('switched off in the configuration: no slots, unless the operator says up', () => {
  const all = service(3);
  const [first, ...others] = all.servers;
  const web = { ...all, servers: others, disabled: first ? [first] : [] };
  assert.equal(states(orders.NO_ORDERS, {}, web), { web2: 'up', web3: 'up', web1: 'disabled' });
  const forced = orders.orderState(orders.NO_ORDERS, order('web1', 'up'));
  assert.is(states(forced, {}, web).web1, 'up');
});

test('a state goes on as long as it is the same', () => {
  const first = stand(orders.NO_ORDERS);
  const before = first.list.map((member) => ({ ...member, since: 7 }));
  const { list } = stand(orders.NO_ORDERS, { web2: DOWN }, service(3), before);
  assert.equal(
    list.map(({ since }) => since),
    [7, 1000, 7],
  );
  assert.equal(
    memberChanges('web', before, list).map(({ server, from, to, reason }) => [server, from, to, reason]),
    [['web2', 'up', 'down', 'timed out']],
  );
});

test('another weight is told, also where the state stays, and beside the state where both change', () => {
  const list = (weights: Record<string, number>) =>
    stand(orders.NO_ORDERS).list.map((member) => {
      const { weight } = member.server;
      return { ...member, server: { ...member.server, weight: weights[member.server.name] ?? weight } };
    });
  const told = (before: Member[], after: Member[]) =>
    memberEvents(memberChanges('web', before, after)).map(({ action, server, reason }) => [action, server, reason]);
  assert.equal(told(list({}), list({})), []);
  assert.equal(told(list({}), list({ web2: 7 })), [['weight', 'web2', 'now 7']]);
  const down = list({ web2: 7 }).map((member) => ({ ...member, state: 'down' as const, reason: 'timed out' }));
  assert.equal(told(list({}).slice(1, 2), down.slice(1, 2)), [
    ['down', 'web2', 'timed out'],
    ['weight', 'web2', 'now 7'],
  ]);
});

test('only a server that has failed in all its services is remembered as failed', () => {
  const squad = (name: string, opinions: Record<string, Opinion>): [string, Squad] => {
    const web = service(3, { name });
    const { roster, list, standing: stands } = stand(orders.NO_ORDERS, opinions, web);
    return [name, { roster, members: list, standing: stands, tables: {} }];
  };
  const fleet = new Map([squad('web', { web1: DOWN, web2: DOWN }), squad('mail', { web1: DOWN })]);
  const failures = failuresOf(fleet);
  assert.equal(failures, [{ server: 'web1', device: 'br-lan', reason: 'timed out' }]);
  assert.equal(parseFailures(formatFailures(failures)), failures);
  for (const text of ['', 'null', '{"version":9}']) assert.equal(parseFailures(text), []);
});

const anyOrders: fc.Arbitrary<Orders> = fc
  .array(
    fc.record({
      server: fc.constantFrom('web1', 'web2', 'web3', 'new'),
      kind: fc.constantFrom('up', 'down', 'drain', 'weight', 'add', 'remove', 'auto'),
      number: fc.integer({ min: 0, max: 1000 }),
    }),
    { maxLength: 12 },
  )
  .map((list) =>
    list.reduce((sum, { server, kind, number }): Orders => {
      switch (kind) {
        case 'up':
        case 'down':
        case 'drain':
          return orders.orderState(sum, order(server, kind, number % 2 === 0 ? undefined : number));
        case 'weight':
          return orders.orderWeight(sum, { ...subject(server), weight: number });
        case 'add':
          return orders.orderAddition(sum, {
            service: 'web',
            server: { name: server, weight: number, address: address(`192.168.1.${100 + (number % 100)}`) },
          });
        case 'remove':
          return orders.orderRemoval(sum, subject(server));
        default:
          return orders.withdrawState(sum, subject(server));
      }
    }, orders.NO_ORDERS),
  );

test('orders survive being written down, whatever they are', () => {
  fc.assert(
    fc.property(anyOrders, (said) => {
      assert.equal(orders.parseOrders(orders.formatOrders(said)), said);
    }),
  );
  for (const text of ['', '{}', 'null', '{"version":2}', '{"version":1,"states":3}']) {
    assert.is(orders.parseOrders(text), undefined);
  }
});

test('whatever is ordered: who is down gets no slots as long as anybody can serve, and nobody is twice', () => {
  fc.assert(
    fc.property(anyOrders, fc.subarray(['web1', 'web2', 'web3', 'new']), (said, dead) => {
      const opinions = Object.fromEntries(dead.map((name) => [name, DOWN]));
      const { decisions, roster, standing: result, list } = stand(said, opinions);
      const names = list.map(({ server }) => server.name);
      assert.is(new Set(names).size, names.length);
      const serving = decisions.filter(({ wish, server }) => wish === 'up' && server.weight > 0);
      const takers = roster.service.servers.filter(({ name }) => !result.down.has(name));
      if (serving.length > 0) {
        assert.equal(
          takers.map(({ name }) => name),
          serving.map(({ server }) => server.name),
        );
      }
    }),
  );
});

test.run();
