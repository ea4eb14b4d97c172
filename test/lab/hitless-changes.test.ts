import * as assert from 'uvu/assert';
import type { ControlClient } from './control-client.ts';
import { elapse } from './hitless-clients.ts';
import { cutCable, mendCable } from './hitless-fleet.ts';
import type { Lab } from './lab.ts';
import { counters, figure } from './scenario.ts';
import { echoPort } from './servers.ts';
import { clock, type TrafficLoad } from './traffic-load.ts';
import type { UciOptions } from './uci.ts';
import { holdConnections, serverOf, setServer, turns, watched, watchedSuite } from './watchdog-lab.ts';

const byTcp = { echo: { type: 'tcp', port: echoPort, interval: '100ms', timeout: '200ms' } };
/** How many clients of each family there are, and their connections. */
const clients = 60;

const { test, run } = watchedSuite('single changes', { servers: 4 }, (lab) => configure(lab, {}));

function configure(lab: Lab, service: UciOptions): string {
  const options = { drain_timeout: '10m', idle_timeout: '1s', learn_time: '0s', ...service };
  return watched(lab, byTcp, { servers: lab.servers.slice(0, 3), service: options });
}

/** Adds the fourth server at run time, and takes it out again after `body`. */
async function withFourth(lab: Lab, control: ControlClient, body: () => Promise<void>): Promise<void> {
  const { name, address } = serverOf(lab, 4);
  await control.order('add_server', { server: name, service: 'web', address: address[4], address6: address[6] });
  try {
    await body();
  } finally {
    await control.order('remove_server', { server: name, service: 'web', drain: 0 });
  }
}

/** Server that new connections of the clients of `load` get, by the client's address. */
async function serversOfNew(lab: Lab): Promise<Map<string, string>> {
  const fresh = await holdConnections(lab, clients);
  const servers = [...fresh.held.values()].map(({ options, server = '' }) => [options.source, server] as const);
  await fresh.end();
  return new Map(servers);
}

/** Clients whose new connections get another server than the old ones have. */
function moved(before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): string[] {
  return [...now].filter(([source, server]) => server !== before.get(source)).map(([source]) => source);
}

function serversOf(load: TrafficLoad): Map<string, string> {
  return new Map([...load.held.values()].map(({ options, server = '' }) => [options.source, server]));
}

test("on_change 'keep': new connections of a moved client go to the new server, its old one stays", async ({
  lab,
  control,
}) => {
  await lab.daemon.reload(configure(lab, { on_change: 'keep' }));
  const load = await holdConnections(lab, clients);
  const before = serversOf(load);
  await withFourth(lab, control, async () => {
    const others = moved(before, await serversOfNew(lab));
    assert.ok(others.length >= clients / 4, `${others.length} clients have moved`);
    // Five questions of each connection.
    await elapse(1_000);
    assert.equal(load.breaks, []);
    assert.equal(serversOf(load), before);
    await load.end();
  });
});

test("on_change 'reset': connections of moved clients are reset, and no other", async ({ lab, control }) => {
  await lab.daemon.reload(configure(lab, { on_change: 'reset', idle_timeout: '4s' }));
  const load = await holdConnections(lab, clients);
  const before = serversOf(load);
  await withFourth(lab, control, async () => {
    const others = moved(before, await serversOfNew(lab));
    assert.ok(others.length >= clients / 4, `${others.length} clients have moved`);
    await load.until('resets', 2_000, () => load.breaks.length >= others.length);
    await elapse(1_000);
    assert.equal(load.breaks.map(({ options }) => options.source).sort(), others.sort());
    assert.ok(load.breaks.every(({ reason }) => reason === 'ECONNRESET'));
    const { packets = 0 } = (await counters(lab.router)).get('web/reset') ?? {};
    assert.ok(packets >= others.length, `${packets} segments were answered with a RST`);
    figure(`on_change 'reset': ${others.length} of ${before.size} connections reset when a fourth server was added`);
    await load.end();
  });
});

for (const [what, service, order] of [
  ['drain_timeout of the service', { drain_timeout: '2s' }, {}],
  ['timeout of the order', {}, { timeout: 2 }],
] as const) {
  test(`a drain is over after the ${what}: what still talks breaks then, and not before`, async ({ lab, control }) => {
    await lab.daemon.reload(configure(lab, service));
    const load = await holdConnections(lab, clients);
    const old = load.openByServer().get('s1') ?? 0;
    assert.ok(old >= clients / 3, `${old} connections`);
    const heard = control.events.length;
    const begin = clock();
    await setServer(control, 's1', 'drain', order);
    const { time } = await control.told('drained', 's1', 6_000, heard);
    await load.until('the end of the old ones', 3_000, () => load.breaks.length >= old);
    await elapse(600);
    const times = load.breaks.map((broken) => broken.time - begin);
    figure(`drain of 2 s: drained after ${((time - begin) / 1_000).toFixed(2)} s, ${old} connections broke then`);
    assert.ok(time - begin >= 1_950 && time - begin < 4_000, `drained after ${time - begin} ms`);
    assert.ok(Math.min(...times) >= 1_950, `one broke after ${Math.min(...times)} ms`);
    assert.is(load.breaks.length, old);
    assert.ok(load.breaks.every(({ server }) => server === 's1'));
    await setServer(control, 's1', 'auto');
    await load.end();
  });
}

for (const [policy, reason, counter] of [
  ['pass', 'ECONNRESET', undefined],
  ['reset', 'ECONNRESET', 'web/reset'],
  ['drop', 'SILENT', 'web/silence'],
] as const) {
  test(`on_failure '${policy}': what a dead server's clients get`, async ({ lab, control }) => {
    await lab.daemon.reload(configure(lab, { on_failure: policy, idle_timeout: '4s' }));
    const server = serverOf(lab, 2);
    const load = await holdConnections(lab, clients);
    const old = load.openByServer().get(server.name) ?? 0;
    await turns(lab, control, 'down', server.name, () => cutCable(server));
    await load.until('the end of the old ones', 6_000, () => load.breaks.length >= old);
    assert.equal([...new Set(load.breaks.map((broken) => `${broken.server} ${broken.reason}`))], [`s2 ${reason}`]);
    const counted = await counters(lab.router);
    for (const name of ['web/reset', 'web/silence']) {
      const packets = counted.get(name)?.packets ?? 0;
      assert.is(packets >= old, name === counter, `${name}: ${packets}`);
    }
    await load.end();
    const heard = control.events.length;
    await turns(lab, control, 'up', server.name, () => mendCable(server));
    // A failure in the middle of a change is another case.
    await control.until(({ action }) => action === 'transition', 10_000, heard);
  });
}

run();
