import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { families, ghostPlaces } from './addresses.ts';
import { LabBus } from './bus.ts';
import { delayMessages, deafen } from './channel-trouble.ts';
import { ControlClient } from './control-client.ts';
import { Daemon } from './daemon.ts';
import { sweepDeadLabs } from './namespace.ts';
import { tool } from './paths.ts';
import { processorTime } from './processor-time.ts';
import { configuration, eachOf, eventually, figure, Oracle, spreadClients, whoAnswers } from './scenario.ts';
import { serverDaemon, takenBy } from './server-programs.ts';
import { echoPort } from './servers.ts';
import { buildTopology, type Topology } from './topology.ts';
import { TrafficClient } from './traffic.ts';
import { uciSection } from './uci.ts';

// Many servers, each with its daemon, and all of them on the channel: of each change all have heard soon (S4), and nobody is busy
// with it. They share this machine's processors, which nobody's servers do: times are those of all of them together. As many as one
// dispatcher shall have at least (O9) are seen in simulated time, in test/unit/channel-economy.test.ts.

const { ONEIP_FULL: full = false } = globalThis as { ONEIP_FULL?: boolean };
const count = full ? 20 : 12;
const clients = full ? 300 : 60;
const slots = 4096;
/** Milliseconds of a processor that a change may take a server, and the router. */
const work = { server: 200, router: 400 + 10 * count };
/** A second, and the time until so many servers have had their turn on processors that are others', too. */
const promptly = 1_000 + count * 500;
/** Milliseconds over which the time of processors is measured. */
const steady = 10_000;
/** Milliseconds of one processor's second. */
const limits = { router: 100, server: 50 };
const ghost = ghostPlaces.elsewhere;

type Part = 'router' | 'server';
type Weights = Readonly<Record<string, number>>;

function configOf(topology: Topology, weights: Weights = {}): string {
  const options = { dispatch: 'broadcast', proto: 'tcp', port: String(echoPort) };
  return [
    configuration(topology, { web: { options } }, weights),
    uciSection('globals', 'globals', { key: 'the.key.of.the.laboratory' }),
    uciSection('watchdog', 'told', { type: 'report', interval: '500ms', timeout: '2s' }),
  ].join('');
}

/** Slots that a server's daemon has in force, of both families, as it says itself. */
function slotsInForce({ stateFolder }: Daemon): string {
  const text = readFileSync(join(stateFolder, 'server.json'), 'utf8');
  const { services } = JSON.parse(text) as { services: { slots: { ipv4?: number; ipv6?: number } }[] };
  return `${services[0]?.slots.ipv4} ${services[0]?.slots.ipv6}`;
}

/** The same, as it shall be. */
function slotsWanted(oracle: Oracle, name: string): string {
  return families.map((family) => Math.round((oracle.shares('web', family).get(name) ?? 0) * slots)).join(' ');
}

interface Fleet {
  readonly topology: Topology;
  readonly router: Daemon;
  readonly daemons: readonly Daemon[];
  readonly control: ControlClient;
}

/** Resolves with the milliseconds until every server has what the configuration with these weights gives it. */
async function untilAllHave({ topology, daemons }: Fleet, weights: Weights, timeout: number): Promise<number> {
  const oracle = new Oracle(configOf(topology, weights));
  const wanted = topology.servers.map(({ name }) => slotsWanted(oracle, name));
  let wrong: string[] = [];
  const look = async (): Promise<true | undefined> => {
    // Those with whom a processor is shared shall have it.
    await new Promise((resolve) => setTimeout(resolve, 5));
    wrong = daemons.flatMap((daemon, index) => {
      const own = slotsInForce(daemon);
      return own === wanted[index] ? [] : `${topology.servers[index]?.name} has ${own} of ${wanted[index]}`;
    });
    return wrong.length === 0 ? true : undefined;
  };
  try {
    return (await eventually('all servers have their slots', timeout, look)).milliseconds;
  } catch (error) {
    throw new Error(`${wrong.length} servers are wrong: ${wrong.slice(0, 5).join('; ')}`, { cause: error });
  }
}

async function withFleet(body: (fleet: Fleet) => Promise<void>): Promise<void> {
  sweepDeadLabs();
  const topology = await buildTopology({ servers: count, bareServers: true });
  const router = new Daemon(topology.router, join(topology.folder, 'router'));
  const bus = await LabBus.start(router.ubusSocket, {});
  try {
    const config = configOf(topology);
    await router.start(config);
    const control = await ControlClient.join(bus, 20_000);
    const daemons = await eachOf(topology.servers, 2, async (server) => {
      const echo = server.namespace.start([tool('echo-server'), server.name, String(echoPort)]);
      await echo.waitFor((line) => line === 'ready' || undefined);
      const daemon = serverDaemon(topology, server);
      await daemon.start(config, 90_000);
      return daemon;
    });
    await body({ topology, router, daemons, control });
    control.close();
  } catch (error) {
    if (error instanceof Error && router.started) error.stack = `${error.stack}\n${router.process.tail()}`;
    throw error;
  } finally {
    await bus.stop();
    await topology.remove();
  }
}

/** Each of many clients is answered by the server that it shall have, and by nobody else. */
async function judgeTraffic({ topology }: Fleet, weights: Weights): Promise<void> {
  const oracle = new Oracle(configOf(topology, weights));
  const traffic = new TrafficClient(topology.wan);
  const before = await takenBy(topology, 'web');
  const expected = new Map(before);
  for (const family of families) {
    await eachOf(spreadClients(family, clients), 20, async (client) => {
      const answer = await whoAnswers({ traffic: () => traffic }, topology.wan, 'tcp', client, ghost[family], echoPort);
      assert.is(answer.server, oracle.server('web', client), client);
      expected.set(answer.server, (expected.get(answer.server) ?? 0) + 1);
    });
  }
  assert.equal(await takenBy(topology, 'web'), expected);
  await traffic.end();
}

/** Milliseconds of a processor that the daemons use while something is done: the router's, and a server's on average. */
async function costOf({ router, daemons }: Fleet, deed: () => Promise<unknown>): Promise<Record<Part, number>> {
  const pids = daemons.map(({ process }) => process.pid);
  const read = () => ({
    router: processorTime(router.process.pid),
    server: pids.reduce((total, pid) => total + processorTime(pid), 0) / pids.length,
  });
  const before = read();
  await deed();
  const after = read();
  return { router: after.router - before.router, server: after.server - before.server };
}

/** What the daemons use of the processors while nothing changes. */
async function measureSteadyState(fleet: Fleet): Promise<void> {
  const begin = performance.now();
  const cost = await costOf(fleet, () => new Promise((resolve) => setTimeout(resolve, steady)));
  const seconds = (performance.now() - begin) / 1_000;
  const [router, server] = [cost.router / seconds, cost.server / seconds];
  figure(
    `${count} servers, a second: the router's daemon takes ${router.toFixed(1)} ms, a server's ${server.toFixed(1)}`,
  );
  assert.ok(router < limits.router, `the router's daemon takes ${router} ms of a second`);
  assert.ok(server < limits.server, `a server's daemon takes ${server} ms of a second`);
}

test(`${count} daemons: all have heard of a change at once, also who was deaf or hears late`, () =>
  withFleet(async (fleet) => {
    const { topology, control } = fleet;
    const weights: Record<string, number> = {};
    const setWeight = async (server: string, weight: number): Promise<void> => {
      weights[server] = weight;
      await control.order('set_weight', { service: 'web', server, weight });
    };
    const begin = await untilAllHave(fleet, weights, 20_000);
    figure(`${count} servers had their slots ${begin.toFixed(0)} ms after the last of them was ready`);
    await measureSteadyState(fleet);

    const times: number[] = [];
    const changes = [300, 50, 200, 100];
    const cost = await costOf(fleet, async () => {
      for (const weight of changes) {
        await setWeight('s1', weight);
        times.push(await untilAllHave(fleet, weights, 20_000));
      }
    });
    const [router, server] = [cost.router / changes.length, cost.server / changes.length];
    figure(
      `a change takes the router's daemon ${router.toFixed(0)} ms of a processor, a server's ${server.toFixed(0)}`,
    );
    assert.ok(router < work.router && server < work.server, 'a change takes too much work');
    figure(`all ${count} had heard of a change after ${times.map((time) => time.toFixed(0)).join(', ')} ms`);
    assert.ok(Math.max(...times) < promptly, `within ${promptly} ms`);
    await judgeTraffic(fleet, weights);

    const [, , deaf, late] = topology.servers;
    assert.ok(deaf && late);
    const hears = await deafen(deaf);
    await setWeight('s1', 250);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await hears();
    const heard = await untilAllHave(fleet, weights, 20_000);
    figure(`who was deaf for 2 s had heard of the change ${heard.toFixed(0)} ms later`);
    assert.ok(heard < promptly, `within ${promptly} ms`);

    const relay = await delayMessages({ router: topology.router }, late, 300);
    await setWeight('s1', 80);
    const caught = await untilAllHave(fleet, weights, 20_000);
    figure(`with one that hears everything 300 ms late all had heard of a change after ${caught.toFixed(0)} ms`);
    // It is told twice: what is no longer its own, and what is.
    assert.ok(caught < promptly + 4 * 300, `within ${promptly} ms and what it is late`);
    relay.closeInput();
    await relay.ended;
    await judgeTraffic(fleet, weights);
  }));

test.run();
