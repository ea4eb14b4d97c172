import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Service } from '../../src/config/model.ts';
import { loadConfiguration } from '../../src/config/validate.ts';
import { Controller } from '../../src/daemon/controller.ts';
import type { ControllerOptions } from '../../src/daemon/controller.ts';
import type { Count, Router } from '../../src/daemon/router.ts';
import type { Egresses } from '../../src/egress/egress.ts';
import type { Claim, Observation } from '../../src/deployment/deployment.ts';
import { claimKey } from '../../src/deployment/flood.ts';
import { slotTables } from '../../src/deployment/slot-tables.ts';
import type { Factors } from '../../src/load/factors.ts';
import { recall } from '../../src/membership/recall.ts';
import { parseSnapshot } from '../../src/membership/snapshot.ts';
import type { MemberChange } from '../../src/membership/members.ts';
import { NO_ORDERS, orderState, withdrawState } from '../../src/membership/orders.ts';
import type { StateOrder } from '../../src/membership/orders.ts';
import { describeNetworkChange } from '../../src/network/describe.ts';
import { diffNetworkState } from '../../src/network/diff.ts';
import type { NetworkChange } from '../../src/network/diff.ts';
import { isRemoval } from '../../src/network/diff.ts';
import { EMPTY_NETWORK } from '../../src/network/state.ts';
import type { PlacedFlows } from '../../src/deployment/placement.ts';
import type { TranslatedConnections } from '../../src/deployment/translation.ts';
import type { SlotChange } from '../../src/netlink/slot-elements.ts';
import type { NetworkState } from '../../src/network/state.ts';
import type { EnvironmentOptions } from './support/deployments.ts';
import { environment } from './support/deployments.ts';
import { Kernel, slotCommands } from './support/kernel.ts';

/** A router in memory that keeps what it is told and can be made to refuse. */
class FakeRouter implements Router {
  readonly kernel = new Kernel();
  /** What was asked of it, in order. */
  /** Servers that have tracked connections. */
  readonly busy = new Set<string>();
  readonly calls: string[] = [];
  readonly loads: string[] = [];
  readonly snapshots: string[] = [];
  /** Orders as they were written down. */
  readonly kept: string[] = [];
  counts = new Map<string, Count>();
  around: EnvironmentOptions = {};
  hardware = new Map<string, string>();
  /** MAC addresses that become known when the network has been established. */
  resolved = new Map<string, string>();
  /** Reasons for which the next loads are refused. */
  refusals: string[] = [];
  /** How many more it takes before it refuses all. */
  room = Infinity;
  establishRefusal = '';
  /** Called when the router has been looked at, and nothing been done yet. */
  meanwhile: () => void = () => undefined;
  observing = 0;
  /** Addresses that somebody will be found to have, and those that somebody was. */
  others = new Set<string>();
  occupied = new Set<string>();
  /** Where packets leave. */
  ways: Egresses = new Map();
  /** Names of ports on which entries are refused. */
  refusing = new Set<string>();
  #network: NetworkState = EMPTY_NETWORK;

  async observe(): Promise<Observation> {
    this.calls.push('observe');
    assert.is(++this.observing, 1, 'reconciliations overlap');
    const seen = { environment: environment(this.around), hardware: new Map(this.hardware) };
    await Promise.resolve();
    this.meanwhile();
    this.observing--;
    return { ...seen, strictReversePath: new Set(), occupied: new Set(this.occupied) };
  }

  egresses(): Egresses {
    return this.ways;
  }

  contest(claims: readonly Claim[]): Promise<boolean> {
    const keys = claims.map(({ device, address }) => claimKey(device.name, address));
    if (keys.length > 0) this.calls.push(`contest ${keys.join(', ')}`);
    const found = keys.filter((key) => this.others.delete(key));
    for (const key of found) this.occupied.add(key);
    return Promise.resolve(found.length > 0);
  }

  establish(wanted: NetworkState): Promise<string[]> {
    this.calls.push('establish');
    if (this.establishRefusal !== '') return Promise.reject(new Error(this.establishRefusal));
    const changes = diffNetworkState(this.#network, wanted).filter((change) => !isRemoval(change));
    if (changes.length > 0) this.hardware = new Map(this.resolved);
    this.ways = new Map([...this.ways].filter(([, { port }]) => !this.refusing.has(port.name)));
    return Promise.resolve(changes.map(describeNetworkChange));
  }

  prune(wanted: NetworkState): Promise<string[]> {
    this.calls.push('prune');
    const changes: NetworkChange[] = diffNetworkState(this.#network, wanted).filter(isRemoval);
    this.#network = wanted;
    return Promise.resolve(changes.map(describeNetworkChange));
  }

  load(transaction: string): void {
    this.calls.push('load');
    const reason = this.refusals.shift() ?? (this.room-- > 0 ? undefined : 'nft refuses: no room');
    if (reason !== undefined) throw new Error(reason);
    this.loads.push(transaction);
    const { nftables } = JSON.parse(transaction) as { nftables: unknown[] };
    this.kernel.run(nftables.map((command) => JSON.stringify(command)));
  }

  readonly flows = new Map<number, number>();

  countFlows({ mark }: PlacedFlows): number {
    return this.flows.get(mark) ?? 0;
  }

  forgetFlows({ mark }: PlacedFlows): number {
    this.calls.push(`forgetFlows ${mark}`);
    return this.flows.get(mark) ?? 0;
  }

  saveFlows(): readonly Uint8Array[] {
    return [];
  }

  restoreFlows(): void {
    this.calls.push('restoreFlows');
  }

  flow(): undefined {
    return undefined;
  }

  loadRecords(): void {
    this.calls.push('loadRecords');
  }

  moveSlots(change: SlotChange): void {
    this.calls.push('moveSlots');
    const reason = this.refusals.shift();
    if (reason !== undefined) throw new Error(reason);
    this.kernel.run(slotCommands(this.kernel, change));
  }

  awaitPackets(): void {
    this.calls.push('awaitPackets');
  }

  holdsTables(): boolean {
    return this.kernel.tables.size > 0;
  }

  remember(snapshot: string): void {
    this.snapshots.push(snapshot);
  }

  forget(connections: readonly TranslatedConnections[]): number {
    this.calls.push(
      `forget ${connections.map(({ service, address }) => `${service.name} ${address.text}`).join(', ')}`,
    );
    return connections.length;
  }

  tracked(connections: readonly TranslatedConnections[]): number {
    return connections.filter(({ server }) => this.busy.has(server.name)).length;
  }

  connection(): undefined {
    return undefined;
  }

  counters(): ReadonlyMap<string, Count> {
    return this.counts;
  }

  keep(what: 'orders' | 'failures' | 'factors', text: string): void {
    this.kept.push(`${what} ${text}`);
  }
}

interface Scene {
  readonly router: FakeRouter;
  readonly controller: Controller;
  readonly log: string[];
  /** The clock, milliseconds. */
  readonly time: { now: number };
}

function scene(
  numbers: ReadonlyMap<string, number> = new Map(),
  changed: (change: MemberChange) => void = () => undefined,
  more: Partial<ControllerOptions> = {},
): Scene {
  const router = new FakeRouter();
  const log: string[] = [];
  const time = { now: 0 };
  const allocate = (...[service, standing]: Parameters<typeof slotTables>) =>
    Promise.resolve(slotTables(service, standing));
  const controller = new Controller(
    {
      ...{ router, allocate, log: (line) => log.push(line), clock: () => time.now },
      changed: (changes) => changes.forEach(changed),
      ...more,
    },
    { numbers, orders: NO_ORDERS },
  );
  return { router, controller, log, time };
}

const SERVICE = `config service 'web'
	list ghost '198.51.100.1'
	list port '80'
	option slots '256'
`;

/** A service with so many servers. */
function web(count: number, ghost = '198.51.100.1'): string {
  const servers = Array.from(
    { length: count },
    (_, index) => `config server 's${index + 1}'\n\tlist service 'web'\n\toption address '192.168.1.${11 + index}'\n`,
  );
  return SERVICE.replace('198.51.100.1', ghost) + servers.join('');
}

/** Fails unless the kernel holds what that of another router does, which loads this configuration at once. */
async function assertHolds({ kernel }: FakeRouter, text: string, around: EnvironmentOptions = {}): Promise<void> {
  const { router, controller } = scene();
  router.around = around;
  await controller.configure(text, 'oneip');
  assert.ok(
    router.kernel.tables.size === 2 && kernel.state() === router.kernel.state(),
    'the kernel holds another ruleset',
  );
}

/** Lets time pass until nothing is under way any more. */
async function settle({ controller, time }: Pick<Scene, 'controller' | 'time'>): Promise<void> {
  for (let turn = 0; turn < 1000 && controller.nextTurn() < Infinity; turn++) {
    time.now = controller.nextTurn();
    await controller.reconcile();
  }
  assert.is(controller.nextTurn(), Infinity);
}

async function reasonOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'none';
}

test('what new packets need is made before the ruleset, what old ones need goes after it', async () => {
  const { router, controller } = scene();
  assert.ok(await controller.configure(web(2), 'oneip'));
  assert.equal(
    router.calls.filter((call) => call !== 'observe'),
    ['establish', 'load', 'prune'],
  );
  await assertHolds(router, web(2));
});

test('the same once more: nothing is loaded, nothing remembered again', async () => {
  const { router, controller } = scene();
  await controller.configure(web(2), 'oneip');
  await controller.configure(web(2), 'oneip');
  await controller.reconcile();
  assert.is(router.loads.length, 1);
  assert.is(router.snapshots.length, 1);
});

test('a difference is loaded alone, and gives what a full load would', async () => {
  const { router, controller, time } = scene();
  await controller.configure(web(2), 'oneip');
  await controller.configure(web(3), 'oneip');
  assert.is(router.loads.length, 2);
  assert.not.match(router.loads[1] ?? '', /"table":\{/);
  await settle({ controller, time });
  await assertHolds(router, web(3));
});

test('at the start bad sections are left out; later a file with errors is refused', async () => {
  const bad = "config service 'mail'\n\tlist port '99999'\n";
  const { router, controller, log, time } = scene();
  assert.ok(await controller.configure(web(2) + bad, 'oneip'));
  await settle({ controller, time });
  await assertHolds(router, web(2));
  assert.ok(log.some((line) => /^oneip:\d+: error: service 'mail'/.test(line)));

  assert.not(await controller.configure(web(3) + bad, 'oneip'));
  await controller.reconcile();
  await settle({ controller, time });
  await assertHolds(router, web(2));
  assert.ok(await controller.configure(web(3), 'oneip'));
  await settle({ controller, time });
  await assertHolds(router, web(3));
});

test('refused by nft: the reason is told, the old state stays wanted', async () => {
  const { router, controller, time } = scene();
  await controller.configure(web(2), 'oneip');
  router.refusals = ['nft refuses: no', 'nft refuses: no'];
  assert.is(await reasonOf(controller.configure(web(3), 'oneip')), 'nft refuses: no');
  await settle({ controller, time });
  await assertHolds(router, web(2));
  router.calls.length = 0;
  await controller.reconcile();
  assert.equal(router.calls, ['establish', 'prune'], 'what is loaded is what is wanted again');
  assert.ok(await controller.configure(web(3), 'oneip'));
  await settle({ controller, time });
  await assertHolds(router, web(3));
});

test('an order that comes in the course of a reload that is refused counts all the same', async () => {
  const { router, controller, time } = scene();
  await controller.configure(web(3), 'oneip');
  router.refusals = ['nft refuses: no', 'nft refuses: no'];
  let ordered: Promise<void> | undefined;
  router.meanwhile = () => {
    ordered ??= controller.order((orders) => orderState(orders, drainOf('s2')));
  };
  assert.is(await reasonOf(controller.configure(web(4), 'oneip')), 'nft refuses: no');
  await ordered;
  assert.is(statesOf(controller)['s2'], 'draining');
  await settle({ controller, time });
  assert.is(statesOf(controller)['s2'], 'drained');
});

/** Services with the same servers: so many that a change of all of them takes several transactions. */
function manyServices(servers: number): string {
  const names = ['w1', 'w2', 'w3', 'w4'];
  const services = names.map((name, index) => SERVICE.replace("'web'", `'${name}'`).replace("'80'", `'${80 + index}'`));
  const lists = names.map((name) => `\tlist service '${name}'\n`).join('');
  return services.join('') + web(servers).replace(SERVICE, '').replaceAll("\tlist service 'web'\n", lists);
}

test('a refusal in the middle of a change in stages: what came before is in force, and the old state comes back', async () => {
  const { router, controller, ...rest } = scene();
  await controller.configure(manyServices(65), 'oneip');
  const before = router.kernel.state();
  const loads = router.loads.length;
  router.room = 1;
  assert.is(await reasonOf(controller.configure(manyServices(64), 'oneip')), 'nft refuses: no room');
  assert.is(router.loads.length, loads + 1, 'a stage was loaded before');
  assert.is(controller.text, manyServices(65));
  // No slot leads to a server that the service has not, whatever stage it has reached.
  for (const { members } of controller.fleet.values()) assert.ok(members.length >= 64);
  assert.is.not(router.kernel.state(), before);
  router.room = Infinity;
  controller.lookAgain();
  await controller.reconcile();
  await settle({ controller, ...rest });
  await assertHolds(router, manyServices(65));
});

test('refused by the kernel before the ruleset: it is not loaded', async () => {
  const { router, controller } = scene();
  router.establishRefusal = 'ip route add: no';
  assert.is(await reasonOf(controller.configure(web(2), 'oneip')), 'ip route add: no');
  assert.equal(router.loads, []);
});

test('a difference that does not fit what the kernel holds is followed by a whole load', async () => {
  const { router, controller, time } = scene();
  await controller.configure(web(2), 'oneip');
  router.refusals = ['nft refuses: no such chain'];
  await controller.configure(web(3), 'oneip');
  assert.match(router.loads[1] ?? '', /"delete":\{"table":/);
  await settle({ controller, time });
  await assertHolds(router, web(3));
});

test('a first load that is refused is tried as a whole the next time', async () => {
  const { router, controller } = scene();
  router.refusals = ['nft refuses: busy'];
  assert.is(await reasonOf(controller.configure(web(2), 'oneip')), 'nft refuses: busy');
  assert.is(router.calls.filter((call) => call === 'load').length, 1);
  assert.ok(await controller.configure(web(2), 'oneip'));
  await assertHolds(router, web(2));
});

test('tables that somebody has touched are loaded again as a whole', async () => {
  const { router, controller } = scene();
  await controller.configure(web(2), 'oneip');
  router.kernel.tables.clear();
  controller.distrust();
  await controller.reconcile();
  await assertHolds(router, web(2));
});

test('a device that goes takes its service along and brings it back', async () => {
  const { router, controller, log } = scene();
  await controller.configure(web(2), 'oneip');
  router.around = { wanAbsent: true };
  controller.lookAgain();
  await controller.reconcile();
  await assertHolds(router, web(2), { wanAbsent: true });
  controller.lookAgain();
  await controller.reconcile();
  const complaints = log.filter((line) => /'wan' is neither/.test(line));
  assert.is(complaints.length, 1, 'told once');
  router.around = {};
  controller.lookAgain();
  await controller.reconcile();
  await assertHolds(router, web(2));
  router.around = { wanAbsent: true };
  controller.lookAgain();
  await controller.reconcile();
  assert.is(log.filter((line) => /'wan' is neither/.test(line)).length, 2, 'and again when it has gone again');
});

test('MAC addresses that servers tell once they are neighbours are in the first ruleset', async () => {
  const { router, controller } = scene();
  router.resolved = new Map([
    ['192.168.1.11', '02:00:00:00:01:01'],
    ['192.168.1.12', '02:00:00:00:01:02'],
    ['192.168.1.77', '02:00:00:00:01:77'],
  ]);
  await controller.configure(web(2, '203.0.113.1'), 'oneip');
  assert.is(router.loads.length, 1);
  assert.match(router.loads[0] ?? '', /02:00:00:00:01:01.*02:00:00:00:01:02/);
  assert.not.match(router.loads[0] ?? '', /02:00:00:00:01:77/, 'other neighbours do not matter');
  await controller.reconcile();
  assert.is(router.loads.length, 1);
});

test('events that come together are answered together, one reconciliation after the other', async () => {
  const { router, controller } = scene();
  await controller.configure(web(2), 'oneip');
  router.calls.length = 0;
  const event = () => {
    controller.lookAgain();
    return controller.reconcile();
  };
  await Promise.all(Array.from({ length: 10 }, event));
  assert.is(router.calls.filter((call) => call === 'observe').length, 1, 'one look tells all of them');
});

test('an event during a reconciliation is not lost', async () => {
  const { router, controller } = scene();
  await controller.configure(web(2), 'oneip');
  let later: Promise<void> | undefined;
  router.meanwhile = () => {
    router.around = { lanMtu: 1400 };
    controller.lookAgain();
    later ??= controller.reconcile();
  };
  controller.lookAgain();
  await controller.reconcile();
  await later;
  await assertHolds(router, web(2), { lanMtu: 1400 });
});

test('two reloads at once: the later one holds, also where the earlier one is refused', async () => {
  const { router, controller, time } = scene();
  await controller.configure(web(2), 'oneip');
  router.refusals = ['nft refuses: no', 'nft refuses: no'];
  const [first, second] = [controller.configure(web(3), 'oneip'), controller.configure(web(4), 'oneip')];
  assert.is(await reasonOf(first), 'nft refuses: no');
  assert.ok(await second);
  await controller.reconcile();
  await settle({ controller, time });
  await assertHolds(router, web(4));
});

test('stopped in the middle: nothing is loaded any more', async () => {
  const { router, controller } = scene();
  let stopped: Promise<void> | undefined;
  router.meanwhile = () => {
    stopped ??= controller.stop();
  };
  assert.is(await reasonOf(controller.configure(web(2), 'oneip')), 'stopped');
  await stopped;
  assert.equal(router.calls, ['observe']);
  assert.is(await reasonOf(controller.reconcile()), 'stopped');
});

test('servers keep their numbers over reloads and from an earlier run', async () => {
  const { router, controller } = scene(new Map([['br-lan/s2', 7]]));
  await controller.configure(web(3), 'oneip');
  const numbers = () => parseSnapshot(router.snapshots[router.snapshots.length - 1] ?? '')?.numbers;
  const first = numbers();
  assert.is(first?.get('br-lan/s2'), 7);
  assert.is(new Set(first?.values()).size, 3);
  await controller.configure(web(1), 'oneip');
  assert.is(numbers()?.get('br-lan/s1'), first?.get('br-lan/s1'));
});

const drainOf = (server: string, until?: number): StateOrder => ({
  ...{ service: 'web', server, state: 'drain', reason: 'ordered', since: 0 },
  ...(until === undefined ? {} : { until }),
});
const downOf = (server: string): StateOrder => ({ ...drainOf(server), state: 'down' });
const statesOf = ({ fleet }: Controller) =>
  Object.fromEntries((fleet.get('web')?.members ?? []).map(({ server, state }) => [server.name, state]));

test('a server that is ordered down: its slots move, and nothing else is looked at or loaded', async () => {
  const { router, controller, time } = scene();
  await controller.configure(web(3), 'oneip');
  router.calls.length = 0;
  await controller.order((orders) => orderState(orders, downOf('s2')));
  assert.equal(router.calls, ['moveSlots']);
  assert.equal(statesOf(controller), { s1: 'up', s2: 'down', s3: 'up' });
  assert.match(router.kept[0] ?? '', /"s2"/, 'kept for the next start');

  await controller.order((orders) => withdrawState(orders, { service: 'web', server: 's2' }));
  await settle({ controller, time });
  await assertHolds(router, web(3));
});

test('what the load makes of weights moves slots and nothing else; commands and a plan know of it', async () => {
  const factors = new Map<string, Factors>();
  const factorsOf = ({ name, adapt }: Service) => (adapt ? factors.get(name) : undefined);
  const { router, controller, time } = scene(new Map(), undefined, { factorsOf });
  const text = web(3).replace("option slots '256'", "option adapt '1'");
  await controller.configure(text, 'oneip');
  const tablesOf = () => controller.fleet.get('web')?.tables[4];
  const before = tablesOf();
  factors.set(
    'web',
    new Map([
      ['s1', 0.9],
      ['s2', 1.05],
      ['s3', 1.05],
    ]),
  );
  router.calls.length = 0;
  await controller.reconcile();
  assert.not.ok(router.calls.includes('establish'), 'nothing is looked at');
  const after = tablesOf();
  assert.is.not(after, before);
  const count = (table: Uint16Array | undefined) => table?.filter((owner) => owner === 0).length ?? 0;
  assert.ok(Math.abs(count(after) - (4096 * 0.9) / 3) <= 1, `s1 has ${count(after)} slots`);

  const snapshot = parseSnapshot(router.snapshots.at(-1) ?? '');
  assert.ok(snapshot);
  const recalled = recall(loadConfiguration(text, 'oneip'), snapshot);
  const [service] = recalled.configuration.model.services;
  assert.ok(service);
  assert.equal(recalled.tablesOf(service)[4], after);
  const allocate = (...[which, standing]: Parameters<typeof slotTables>) =>
    Promise.resolve(slotTables(which, standing));
  const same = await controller.prospect(loadConfiguration(text, 'oneip'), allocate);
  assert.equal(same.deployment.services[0]?.tables[4], after);
  const without = loadConfiguration(text.replace("option adapt '1'", ''), 'oneip');
  assert.equal((await controller.prospect(without, allocate)).deployment.services[0]?.tables[4], before);

  await settle({ controller, time });
  await controller.configure(text.replace("option adapt '1'", ''), 'oneip');
  assert.equal(tablesOf(), before, 'switched off, weights are as configured');
});

test('slots of a server that lives move when no packet is under way that knows nothing of it', async () => {
  const { router, controller, time } = scene();
  const calls = () => router.calls.filter((call) => ['load', 'awaitPackets', 'moveSlots'].includes(call));
  await controller.configure(web(3), 'oneip');
  router.calls.length = 0;
  await controller.order((orders) => orderState(orders, drainOf('s2')));
  assert.equal(calls(), ['load', 'awaitPackets', 'moveSlots'], 'the first has to make the maps');
  assert.match(router.loads.at(-1) ?? '', /web\/unknown/);
  router.calls.length = 0;
  await controller.order((orders) => orderState(orders, drainOf('s3')));
  assert.equal(calls(), ['moveSlots', 'awaitPackets', 'moveSlots']);
  router.calls.length = 0;
  await settle({ controller, time });
  const ends = ['moveSlots', 'awaitPackets', 'load'];
  assert.equal(calls().slice(-ends.length), ends, 'and records are forgotten when none is that may ask for them');
});

test('an order that the kernel refuses is none', async () => {
  const { router, controller, time } = scene();
  await controller.configure(web(3), 'oneip');
  router.refusals = ['netlink: no', 'nft refuses: no', 'nft refuses: no'];
  assert.is(await reasonOf(controller.order((orders) => orderState(orders, downOf('s2')))), 'nft refuses: no');
  assert.equal(statesOf(controller), { s1: 'up', s2: 'up', s3: 'up' });
  assert.equal(router.kept, []);
  await controller.reconcile();
  await settle({ controller, time });
  await assertHolds(router, web(3));
});

const translated = (count: number): string => web(count).replace('256', "256'\n\toption dispatch 'nat");

test('with tracked connections a drain ends when there are none left, or its time is over', async () => {
  const { controller, router, time } = scene();
  await controller.configure(translated(3), 'oneip');
  router.busy.add('s2').add('s3');
  await controller.order((orders) => orderState(orderState(orders, drainOf('s2')), drainOf('s3', 9000)));
  assert.equal([statesOf(controller).s2, statesOf(controller).s3], ['draining', 'draining']);
  for (; time.now < 8000; time.now = controller.nextTurn()) {
    assert.ok(controller.nextTurn() <= time.now + 2000, 'the kernel is asked now and then');
    await controller.reconcile();
    assert.is(statesOf(controller).s2, 'draining');
  }
  router.busy.delete('s2');
  await controller.reconcile();
  assert.equal([statesOf(controller).s2, statesOf(controller).s3], ['drained', 'draining']);
  router.calls.length = 0;
  time.now = 9000;
  await controller.reconcile();
  assert.is(statesOf(controller).s3, 'drained');
  assert.equal(router.calls.at(-1), 'forget web 192.168.1.13');
  assert.is(controller.nextTurn(), Infinity);
});

test('with tracked connections those of a dead server are forgotten, once the table is without it', async () => {
  const { controller, router, log } = scene();
  await controller.configure(translated(3), 'oneip');
  router.calls.length = 0;
  await controller.order((orders) => orderState(orders, downOf('s2')));
  assert.equal(router.calls, ['moveSlots', 'forget web 192.168.1.12']);
  assert.ok(log.includes('web: s2: 1 connection broken'), log.join());
  await controller.reconcile();
  assert.is(router.calls.filter((call) => call.startsWith('forget')).length, 1);
});

test('a drain ends when the counter of old connections has stood still, and is told', async () => {
  const told: string[] = [];
  const { router, controller, time } = scene(new Map(), (change) => told.push(`${change.server} ${change.to}`));
  await controller.configure(web(3) + "config service 'other'\n\tlist ghost '198.51.100.2'\n", 'oneip');
  await controller.order((orders) => orderState(orders, drainOf('s2')));
  assert.is(statesOf(controller).s2, 'draining');
  const IDLE = 300_000;
  for (const packets of [10n, 20n]) {
    time.now = controller.nextTurn();
    router.counts.set('web/kept/s2', { packets, bytes: 0n });
    await controller.reconcile();
    assert.is(statesOf(controller).s2, 'draining');
  }
  const end = time.now + IDLE;
  for (let turn = 0; turn < 100 && statesOf(controller).s2 === 'draining'; turn++) {
    time.now = controller.nextTurn();
    await controller.reconcile();
  }
  assert.is(statesOf(controller).s2, 'drained');
  assert.ok(time.now >= end && time.now < end + 20_000, `after ${time.now - end} ms`);
  assert.equal(told, ['s2 draining', 's2 drained']);
  assert.is(controller.nextTurn(), Infinity);
});

test('time that is up is not waited for again', async () => {
  const { controller, time } = scene();
  await controller.configure(web(3), 'oneip');
  await controller.order((orders) => orderState(orders, drainOf('s2')));
  while (controller.nextTurn() < Infinity) {
    // As timers do it: now and then a little late.
    time.now = controller.nextTurn() + 3;
    await controller.reconcile();
    assert.ok(controller.nextTurn() > time.now, `${controller.nextTurn()} at ${time.now}`);
  }
});

test('a drain has its own time, if it is given one', async () => {
  const { controller, time } = scene();
  await controller.configure(web(3), 'oneip');
  await controller.order((orders) => orderState(orders, drainOf('s2', 5000)));
  for (let turn = 0; turn < 10 && time.now < 5000; turn++) {
    time.now = Math.min(controller.nextTurn(), 5000);
    await controller.reconcile();
  }
  assert.is(statesOf(controller).s2, 'drained');
});

test('a server that the configuration has no more keeps its connections until they end', async () => {
  const told: string[] = [];
  const { router, controller, time } = scene(new Map(), (change) => told.push(`${change.server} ${change.to}`));
  await controller.configure(web(3), 'oneip');
  await controller.configure(web(2), 'oneip');
  assert.is(statesOf(controller).s3, 'draining');
  for (let turn = 0; turn < 100 && 's3' in statesOf(controller); turn++) {
    time.now = controller.nextTurn();
    await controller.reconcile();
  }
  assert.equal(statesOf(controller), { s1: 'up', s2: 'up' });
  assert.equal(told, ['s3 draining', 's3 drained', 's3 undefined']);
  await settle({ controller, time });
  await assertHolds(router, web(2));
});

test('orders about servers that a new configuration has not are forgotten', async () => {
  const { controller } = scene();
  await controller.configure(web(3), 'oneip');
  await controller.order((orders) => orderState(orders, downOf('s3')));
  await controller.configure(web(2), 'oneip');
  await controller.configure(web(3), 'oneip');
  assert.equal(statesOf(controller), { s1: 'up', s2: 'up', s3: 'up' });
});

/** A service whose packets go to all servers. */
const flooded = (count: number): string =>
  web(count).replace("list port '80'", "list port '80'\n\toption dispatch 'broadcast'");

test('an address is chosen that nobody has: others are asked before anything is made', async () => {
  const { router, controller } = scene();
  router.others = new Set(['br-lan 192.168.1.240', 'br-lan 192.168.1.241']);
  assert.ok(await controller.configure(flooded(2), 'oneip'));
  const told = router.calls.filter((call) => call !== 'observe');
  assert.equal(told, [
    ...['contest br-lan 192.168.1.240', 'contest br-lan 192.168.1.241', 'contest br-lan 192.168.1.242'],
    ...['establish', 'load', 'prune'],
  ]);
  const via = controller.deployment?.services[0]?.ghosts[0]?.flood?.via.text;
  assert.is(via, '192.168.1.242');
});

test('where all servers get everything no change has to be digested here', async () => {
  const { router, controller } = scene();
  await controller.configure(flooded(3), 'oneip');
  const before = router.loads.length;
  await controller.order((orders) =>
    orderState(orders, { service: 'web', server: 's2', state: 'drain', since: 0, reason: 'ordered' }),
  );
  assert.is(controller.fleet.get('web')?.transition, undefined);
  assert.is(router.loads.length, before, 'the ruleset knows nothing of who has which slots');
  const slots = controller.fleet.get('web')?.tables[4];
  assert.ok(slots && slots.length === 256 && !slots.includes(1));
  await controller.order((orders) => withdrawState(orders, { service: 'web', server: 's2' }));
  assert.ok(controller.fleet.get('web')?.tables[4]?.includes(1));
  assert.is(controller.nextTurn(), Infinity);
});

/** The way out by a port for so many servers, from the first. */
function byPorts(...numbers: readonly number[]): Egresses {
  return new Map(
    numbers.map((number) => [
      `3 192.168.1.${10 + number}`,
      { port: { name: `lan${number}`, ifindex: 10 + number }, hardware: `02:00:00:00:01:0${number}` },
    ]),
  );
}

/** What was asked of the router since, and what was loaded. */
async function reroute({ router, controller }: Scene, ways: Egresses): Promise<{ calls: string[]; chains: string[] }> {
  const [calls, loads] = [router.calls.length, router.loads.length];
  router.ways = ways;
  await controller.reroute();
  const chains = router.loads.slice(loads).flatMap((load) => {
    const { nftables } = JSON.parse(load) as { nftables: { add?: { rule?: { chain: string; expr: unknown[] } } }[] };
    return nftables.flatMap(({ add }) => {
      const dev = /"dev":"([^"]+)"/.exec(JSON.stringify(add?.rule?.expr))?.[1];
      return add?.rule ? [`${add.rule.chain} ${dev ?? ''}`] : [];
    });
  });
  return { calls: router.calls.slice(calls), chains };
}

test('packets leave by a port once its neighbour entry is there, and it goes once they do not', async () => {
  const made = scene();
  await made.controller.configure(web(3), 'oneip');
  const there = await reroute(made, byPorts(1, 2));
  assert.equal(there, { calls: ['establish', 'load', 'prune'], chains: ['web/to/s1 lan1', 'web/to/s2 lan2'] });
  assert.ok(made.log.includes('ip neigh add 192.168.1.11 lladdr 02:00:00:00:01:01 dev lan1 nud permanent'));
  assert.equal(parseSnapshot(made.router.snapshots.pop() ?? '')?.observation.egresses, byPorts(1, 2));
  const back = await reroute(made, byPorts(2));
  assert.equal(back, { calls: ['load', 'prune'], chains: ['web/to/s1 br-lan'] });
  assert.ok(made.log.includes('ip neigh delete 192.168.1.11 lladdr 02:00:00:00:01:01 dev lan1 nud permanent'));
  assert.equal((await reroute(made, byPorts(2))).calls, []);
  await reroute(made, byPorts());
  await assertHolds(made.router, web(3));
});

test('from one port to the other by way of the bridge', async () => {
  const made = scene();
  await made.controller.configure(web(2), 'oneip');
  await reroute(made, byPorts(1));
  const [[key = '', egress] = []] = [...byPorts(1)];
  assert.ok(egress);
  const moved = new Map([[key, { ...egress, port: { name: 'lan9', ifindex: 19 } }]]);
  assert.equal(await reroute(made, moved), {
    calls: ['load', 'establish', 'load', 'prune'],
    chains: ['web/to/s1 br-lan', 'web/to/s1 lan9'],
  });
});

test('in the middle of a change nothing else is touched, and what ends it does not take the way back', async () => {
  const made = scene();
  const { router, controller } = made;
  await controller.configure(web(3), 'oneip');
  await controller.configure(web(4), 'oneip');
  assert.ok(controller.fleet.get('web')?.transition, 'a change is under way');
  const { chains } = await reroute(made, byPorts(4));
  assert.equal(chains, ['web/to/s4 lan4']);
  assert.not.match(router.loads[router.loads.length - 1] ?? '', /"element"|"set"|"map"/);
  await settle(made);
  assert.match(router.kernel.state(), /"dev":"lan4"/);
  assert.equal((await reroute(made, byPorts())).chains, ['web/to/s4 br-lan']);
  await assertHolds(router, web(4));
});

test('what the kernel refuses is tried again with everything looked at, and told where that is refused, too', async () => {
  const made = scene();
  const { router } = made;
  await made.controller.configure(web(2), 'oneip');
  const refusals = (count: number) => new Array<string>(count).fill('no such device');
  router.refusals = refusals(5);
  const { calls } = await reroute(made, byPorts(1));
  assert.ok(calls.includes('observe'));
  assert.match(router.kernel.state(), /"dev":"lan1"/);
  router.refusals = refusals(7);
  assert.is(await reasonOf(reroute(made, byPorts())), 'no such device');
  await made.controller.reconcile();
  await assertHolds(router, web(2));
});

test('a bridge that is gone, its ports with it, is no reason to stop at', async () => {
  const made = scene();
  await made.controller.configure(web(2), 'oneip');
  await reroute(made, byPorts(1));
  made.router.refusals = ['no such device', 'no such device'];
  made.router.around = { wanAbsent: true };
  made.router.ways = byPorts();
  made.controller.lookAgain();
  await made.controller.reconcile();
  await assertHolds(made.router, web(2), { wanAbsent: true });
});

test('who could not go on to a new port is on the bridge, and can go back to the old one', async () => {
  const made = scene();
  await made.controller.configure(web(2), 'oneip');
  await reroute(made, byPorts(1));
  const [[key = '', egress] = []] = [...byPorts(1)];
  assert.ok(egress);
  made.router.establishRefusal = 'no such device';
  const moved = new Map([[key, { ...egress, port: { name: 'lan9', ifindex: 19 } }]]);
  assert.is(await reasonOf(reroute(made, moved)), 'no such device');
  assert.match(made.router.kernel.state(), /"web\/to\/s1".*"dev":"br-lan"/);
  made.router.establishRefusal = '';
  made.router.ways = byPorts(1);
  await made.controller.reconcile();
  assert.match(made.router.kernel.state(), /"web\/to\/s1".*"dev":"lan1"/);
});

test('a port that takes no entry is not left by, and nothing else suffers', async () => {
  const made = scene();
  made.router.refusing.add('lan1');
  await made.controller.configure(web(3), 'oneip');
  assert.equal((await reroute(made, byPorts(1, 2))).chains, ['web/to/s2 lan2']);
  assert.equal((await reroute(made, made.router.ways)).calls, []);
  const fresh = scene();
  fresh.router.refusing.add('lan1');
  fresh.router.ways = byPorts(1, 2);
  await fresh.controller.configure(web(3), 'oneip');
  assert.is(fresh.router.kernel.state(), made.router.kernel.state());
});

test('a bridge that is not to be passed over is not, whatever is known of its ports', async () => {
  const made = scene();
  made.router.ways = byPorts(1, 2);
  const off = `config globals 'globals'\n\toption bridge_bypass '0'\n${web(2)}`;
  await made.controller.configure(off, 'oneip');
  assert.equal((await reroute(made, byPorts(1))).calls, []);
  await assertHolds(made.router, off);
  await made.controller.configure(web(2), 'oneip');
  assert.match(made.router.kernel.state(), /"dev":"lan1"/);
});

test('a reconciliation for another reason leaves ports that are not right any more before anything else', async () => {
  const made = scene();
  const { router, controller } = made;
  await controller.configure(web(2), 'oneip');
  await reroute(made, byPorts(1, 2));
  const before = router.calls.length;
  router.ways = byPorts(2);
  controller.lookAgain();
  await controller.reconcile();
  assert.equal(router.calls.slice(before, before + 3), ['load', 'prune', 'observe']);
});

/** So many services, each with all of so many servers, `s1` of which has a weight. */
function services(count: number, servers: number, weight = 100): string {
  const names = Array.from({ length: count }, (_, index) => `web${index}`);
  const sections = names.map((name, index) => SERVICE.replace("'web'", `'${name}'`).replace("'80'", `'${80 + index}'`));
  const lists = names.map((name) => `\tlist service '${name}'\n`).join('');
  const machines = Array.from(
    { length: servers },
    (_, index) =>
      `config server 's${index + 1}'\n${lists}\toption address '192.168.1.${11 + index}'\n` +
      (index === 0 ? `\toption weight '${weight}'\n` : ''),
  );
  return [...sections, ...machines].join('');
}

/** Services of which slots lead to a server, in either table. */
function servicesOf({ kernel }: FakeRouter, server: string): string[] {
  const names = new Set<string>();
  for (const { sets } of kernel.tables.values()) {
    for (const [name, elements] of sets) {
      const leads = [...elements.values()].some((text) => text.includes(`/to/${server}"`));
      if (name.endsWith('/slot') && leads) names.add(name.replace('/slot', ''));
    }
  }
  return [...names].sort();
}

/** A scene in which servers die, and its hooks; both tell nothing until they are set. */
function mortals(): Scene & { readonly dead: Set<string>; hooks: { turn: () => void; allocating: () => void } } {
  const dead = new Set<string>();
  const hooks = { turn: (): void => undefined, allocating: (): void => undefined };
  const kept = new Map<string, { standing: string; tables: ReturnType<typeof slotTables> }>();
  const made = scene(undefined, undefined, {
    opinionOf: (_, server) => ({ up: !dead.has(server), reason: 'asked' }),
    turn: () => {
      hooks.turn();
      return Promise.resolve();
    },
    allocate: async (service, standing) => {
      await Promise.resolve();
      hooks.allocating();
      made.controller.giveWay();
      const key = JSON.stringify([service.servers, [...standing.down]]);
      let known = kept.get(service.name);
      if (known?.standing !== key)
        kept.set(service.name, (known = { standing: key, tables: slotTables(service, standing) }));
      return known.tables;
    },
  });
  return { ...made, dead, hooks };
}

test('a large change gives way to a server that dies: its slots move before the next service is changed', async () => {
  const { router, controller, dead, hooks, time } = mortals();
  const [before, after] = [services(4, 64), services(4, 64, 1)];
  await controller.configure(before, 'oneip');
  await settle({ controller, time });
  assert.is(servicesOf(router, 's5').length, 4);

  let turns = 0;
  let callsBefore = 0;
  hooks.turn = () => {
    if (++turns > 1) return;
    assert.is(servicesOf(router, 's5').length, 4, 'nobody has died yet');
    dead.add('s5');
    callsBefore = router.calls.length;
    void controller.reconcile();
  };
  const seen: string[][] = [];
  const load = router.load.bind(router);
  router.load = (transaction) => {
    if (turns > 0) seen.push(servicesOf(router, 's5'));
    load(transaction);
  };
  assert.ok(await controller.configure(after, 'oneip'));
  assert.ok(turns >= 1 && seen.length > 0, 'the rest of the change came after it');
  assert.is(router.calls[callsBefore], 'moveSlots');
  assert.equal(seen[0], [], 'and its slots had moved by then');
  await controller.reconcile();
  await settle({ controller, time });

  const fresh = mortals();
  await fresh.controller.configure(after, 'oneip');
  fresh.dead.add('s5');
  await fresh.controller.reconcile();
  await settle(fresh);
  assert.equal(servicesOf(router, 's5'), []);
  const [held, wanted] = [router.kernel.state(), fresh.router.kernel.state()];
  assert.ok(held === wanted, 'nothing of the change is missing');
});

test('a server that dies while slots are computed for another configuration does not wait for it', async () => {
  const { router, controller, dead, hooks, time } = mortals();
  await controller.configure(services(3, 4), 'oneip');
  await settle({ controller, time });
  let computed = 0;
  hooks.allocating = () => {
    if (++computed !== 2) return;
    dead.add('s2');
    void controller.reconcile();
  };
  const { length } = router.calls;
  await controller.configure(services(3, 4, 7), 'oneip');
  assert.is(router.calls[length], 'moveSlots');
  assert.equal(servicesOf(router, 's2'), []);
});

test('a plan that is made meanwhile does not end for a death', async () => {
  const { controller, dead, hooks } = mortals();
  await controller.configure(services(2, 4), 'oneip');
  hooks.allocating = () => {
    dead.add('s2');
  };
  const { configuration } = controller;
  assert.ok(configuration);
  const { deployment } = await controller.prospect(configuration, (...[service, standing]) => {
    hooks.allocating();
    return Promise.resolve(slotTables(service, standing));
  });
  assert.is(deployment.services.length, 2);
});

test.run();
