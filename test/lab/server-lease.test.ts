import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { families, ghostPlaces } from './addresses.ts';
import { answeredBy, recordAnswered } from './answered.ts';
import type { Daemon } from './daemon.ts';
import { withLab, type Lab } from './lab.ts';
import { configuration, eventually, figure, heard, Oracle, spreadClients } from './scenario.ts';
import { slotsInForce, startServerDaemons } from './server-programs.ts';
import { echoPort } from './servers.ts';
import type { Server } from './topology.ts';
import { clock, TrafficLoad } from './traffic-load.ts';
import { uciSection } from './uci.ts';

// What a server's kernel takes when its daemon is killed, stopped or deaf: nothing that begins, before another server does.

const ghost = ghostPlaces.elsewhere;
/** Of both families. */
const SLOTS = 2 * 4096;
/** Clients of each family from whom connections are begun, in turn. */
const clients = 40;
/** New connections a second. */
const rate = 60;

function configOf(lab: Lab): string {
  const options = { dispatch: 'broadcast', port: String(echoPort), proto: 'tcp' };
  return [
    configuration(lab, { web: { ghost: families.map((family) => ghost[family]), options } }),
    uciSection('globals', 'globals', { key: 'the.key.of.the.laboratory' }),
    uciSection('watchdog', 'told', { type: 'report', interval: '300ms', timeout: '1s', fall: '2', half_life: '0' }),
  ].join('');
}

interface Scene {
  readonly lab: Lab;
  readonly config: string;
  readonly daemons: readonly Daemon[];
  /** The server that trouble comes to, with its daemon. */
  readonly server: Server;
  readonly daemon: Daemon;
  readonly load: TrafficLoad;
}

/** Slots that servers hold, of both families together. */
async function slotsOf({ lab, daemons }: Scene, servers: readonly Server[]): Promise<number> {
  const counts = await Promise.all(
    servers.map(async (server) => {
      const daemon = daemons[lab.servers.indexOf(server)];
      assert.ok(daemon);
      const { ipv4 = 0, ipv6 = 0 } = await slotsInForce(server, daemon, 'web');
      return ipv4 + ipv6;
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

const others = ({ lab, server }: Scene) => lab.servers.filter((other) => other !== server);

/** Three servers that have all slots, and a stream of new connections, every one of which is accepted by at most one server. */
async function underLoad(body: (scene: Scene) => Promise<void>): Promise<void> {
  await withLab({ servers: 3, bareServers: true, ghosts: [ghost[4], ghost[6]] }, async (lab) => {
    const config = configOf(lab);
    await lab.daemon.start(config);
    const daemons = await startServerDaemons(lab, config);
    const [server] = lab.servers;
    const [daemon] = daemons;
    assert.ok(server && daemon);
    const load = new TrafficLoad(lab.wan);
    const scene = { lab, config, daemons, server, daemon, load };
    await eventually('every slot has an owner', 20_000, async () =>
      (await slotsOf(scene, lab.servers)) === SLOTS ? true : undefined,
    );
    await recordAnswered(lab);
    const origins = families.flatMap((family) =>
      spreadClients(family, clients).map((source) => ({ source, destination: ghost[family], port: echoPort })),
    );
    load.stream(origins, rate);
    await body(scene);
    load.stream([], 0);
    const accepted = await answeredBy(lab);
    const twice = [...accepted].filter(([, servers]) => servers.length !== 1);
    figure(`${accepted.size} connections accepted, ${twice.length} of them by several servers`);
    assert.ok(accepted.size > rate);
    assert.equal(twice, []);
    await load.end();
  });
}

/** Connections that begin from now on are accepted by others in the place of the server, which keeps what it had. */
async function takenOver(scene: Scene, what: string, trouble: () => Promise<void> | void): Promise<void> {
  const { lab, server, config, load } = scene;
  const oracle = new Oracle(config);
  const open = await Promise.all(
    families.map(async (family) => {
      const from = spreadClients(family, 200).find((client) => oracle.server('web', client) === server.name);
      assert.ok(from);
      const conversation = await lab.traffic(lab.wan).tcp(from, ghost[family], echoPort);
      assert.is((await heard(conversation)).server, server.name);
      return conversation;
    }),
  );
  const begin = clock();
  await trouble();
  const { milliseconds } = await eventually(`the slots of one that is ${what} move`, 20_000, async () =>
    (await slotsOf(scene, others(scene))) === SLOTS ? true : undefined,
  );
  const last = Math.max(...load.attempts.filter((attempt) => attempt.server === server.name).map(({ time }) => time));
  figure(
    `${what}: it accepted its last connection ${Math.round(last - begin)} ms later, others had its slots after ${Math.round(milliseconds)} ms`,
  );
  for (const conversation of open) {
    assert.is((await heard(conversation)).server, server.name, 'what is open goes on');
    conversation.close();
  }
}

/** All slots are served again, the server's own by itself. */
async function backAgain(scene: Scene): Promise<void> {
  await eventually('it has its slots again', 20_000, async () => {
    const [all, own] = await Promise.all([slotsOf(scene, scene.lab.servers), slotsOf(scene, [scene.server])]);
    return all === SLOTS && own > 0 ? true : undefined;
  });
}

test('a server whose daemon is killed takes nothing any more before others do', () =>
  underLoad(async (scene) => {
    const { daemon, config } = scene;
    await takenOver(scene, 'killed', () => daemon.crash());
    await daemon.start(config);
    await backAgain(scene);
  }));

test('nor does one whose daemon is stopped, nor when that goes on', () =>
  underLoad(async (scene) => {
    const { daemon } = scene;
    await takenOver(scene, 'stopped', () => daemon.process.signal('SIGSTOP'));
    daemon.process.signal('SIGCONT');
    await backAgain(scene);
  }));

test('nor does one that hears nothing of the channel, nor when it starts anew', () =>
  underLoad(async (scene) => {
    const { daemon, config, server } = scene;
    const deaf =
      'table netdev deaf {\n  chain deaf {\n    type filter hook ingress device "eth0" priority 0\n    ip daddr 224.0.0.254 drop\n  }\n}\n';
    await takenOver(scene, 'deaf', () => server.namespace.nft(deaf));
    assert.is(await daemon.stop(), 0);
    await daemon.start(config);
    // Longer than any server waits that is not deaf.
    const begin = performance.now();
    while (performance.now() - begin < 8_000) assert.is(await slotsOf(scene, [server]), 0);
    await server.namespace.run(['nft', 'delete', 'table', 'netdev', 'deaf']);
    await backAgain(scene);
  }));

test('a router whose daemon is killed, or stopped for long, stops nobody', () =>
  underLoad(async (scene) => {
    const { lab, load } = scene;
    const isServed = async () => {
      const before = load.attempts.length;
      const begin = performance.now();
      while (performance.now() - begin < 9_000) assert.is(await slotsOf(scene, lab.servers), SLOTS);
      const since = load.attempts.slice(before);
      const slow = since.filter(({ began, time, reason }) => reason !== undefined || time - began > 900);
      figure(`${since.length} connections begun without a router's daemon, ${slow.length} of them slow`);
      assert.equal(slow, []);
    };
    lab.daemon.process.signal('SIGSTOP');
    await isServed();
    lab.daemon.process.signal('SIGCONT');
    await backAgain(scene);
    await lab.daemon.crash();
    await isServed();
  }));

test.run();
