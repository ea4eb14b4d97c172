import * as assert from 'uvu/assert';
import { families, ghostPlaces, routerAddresses } from './addresses.ts';
import {
  BOND,
  behindBond,
  behindSwitch,
  clientOf,
  egressOf,
  fixedNeighbours,
  keepAsking,
  leavesBy,
  sentBy,
} from './egress-scene.ts';
import { MISTRUST } from '../../src/egress/follower.ts';
import type { Lab } from './lab.ts';
import { ping } from './ping.ts';
import { configuration, eventually, figure, heard } from './scenario.ts';
import { echoPort } from './servers.ts';
import type { Scene } from './suite.ts';
import { labSuite } from './suite.ts';
import type { Server } from './topology.ts';
import { TrafficLoad } from './traffic-load.ts';

const ghost = ghostPlaces.elsewhere;
/** Milliseconds that the ways back to the ports may take, once the bridge has been sure for long enough. */
const RETURN = MISTRUST + 10_000;

/** Whether this kernel has bonds: the smallest have not. */
let hasBonds = false;

const { test, run } = labSuite('egress', { servers: 7 }, async (lab) => {
  const [mover, bonded] = named(lab, 's1', 's2');
  await lab.router.ip(behindSwitch(mover, 'sw'));
  hasBonds = (await lab.router.attempt(['ip', 'link', 'add', 'bdbond', 'type', 'bond', ...BOND])).status === 0;
  if (hasBonds) await lab.router.ip(behindBond(bonded, 'bd'));
  return configuration(lab, { web: { options: { port: echoPort } } });
});

function named<const Names extends readonly string[]>(
  { servers }: Lab,
  ...names: Names
): { [Key in keyof Names]: Server } {
  return names.map((name) => {
    const server = servers.find((one) => one.name === name);
    if (!server) throw new Error(`no server ${name}`);
    return server;
  }) as { [Key in keyof Names]: Server };
}

/** Port behind which a server is while nothing is wrong. */
function usualPort({ name, port }: Server): string {
  return name === 's1' ? 'swa' : name === 's2' && hasBonds ? 'bdbond' : port;
}

/** Milliseconds after which a datagram without an answer counts as lost, and a bit. */
const JUDGEMENT = 1_200;

/** Runs `body` while clients of the servers ask all the time; tells what of theirs has broken, and which datagrams were lost. */
async function underLoad({ lab, oracle }: Scene, servers: readonly Server[], body: () => Promise<void>) {
  const load = new TrafficLoad(lab.wan, 10_000);
  for (const server of servers) keepAsking(load, oracle, server);
  await load.allOpen(5_000);
  await body();
  await new Promise((resolve) => setTimeout(resolve, JUDGEMENT));
  // Whatever has become of the flows: everybody is reached now.
  for (const server of servers) keepAsking(load, oracle, server);
  await load.allOpen(5_000);
  await load.end();
  return {
    breaks: load.breaks.map(({ server, reason, options }) => `${options.protocol} of ${server}: ${reason}`),
    losses: load.losses.map(({ server, since, good }) => `${server}: ${(since - good).toFixed(0)} ms after an answer`),
  };
}

const NOTHING = { breaks: [], losses: [] };

test('servers on a bridge get their packets by its ports', async ({ lab, oracle }) => {
  for (const server of lab.servers) await leavesBy(lab, server, usualPort(server));
  const expected = lab.servers.flatMap((server) =>
    families.map(
      (family) => `${server.address[family]} dev ${usualPort(server)} lladdr ${server.mac} PERMANENT proto 111`,
    ),
  );
  assert.equal(await fixedNeighbours(lab), expected.sort());
  const [server] = named(lab, 's7');
  for (const family of families) {
    const from = clientOf(oracle, server.name, family);
    const client = await lab.traffic(lab.wan).udp(from, ghost[family], echoPort);
    const before = [await sentBy(lab, 'br-lan'), await sentBy(lab, server.port)] as const;
    for (let number = 0; number < 200; number++) assert.is((await heard(client)).server, server.name);
    const after = [await sentBy(lab, 'br-lan'), await sentBy(lab, server.port)] as const;
    assert.ok(after[1] - before[1] >= 200, 'all of them by the port');
    assert.ok(after[0] - before[0] < 100, 'the bridge has sent what is its own, and none of them');
    client.close();
  }
});

test('a bridge that begins to filter VLANs decides again, and nobody notices', async (scene) => {
  const { lab } = scene;
  const filter = ['ip', 'link', 'set', 'br-lan', 'type', 'bridge', 'vlan_filtering', '1'];
  const result = await underLoad(scene, lab.servers, async () => {
    const { status, stderr } = await lab.router.attempt(filter);
    if (status !== 0 && stderr.includes('not supported')) return figure('the bridges of this kernel know no VLANs');
    assert.is(status, 0, stderr);
    for (const server of lab.servers) await leavesBy(lab, server, 'br-lan');
    assert.equal(await fixedNeighbours(lab), []);
    await lab.router.ip(['link set br-lan type bridge vlan_filtering 0']);
    for (const server of lab.servers) await leavesBy(lab, server, usualPort(server));
  });
  assert.equal(result, NOTHING);
});

test('a port with a smaller MTU than the bridge is left to the bridge', async (scene) => {
  const { lab } = scene;
  const [server] = named(lab, 's7');
  const result = await underLoad(scene, [server], async () => {
    // A bridge whose MTU has been set does not follow those of its ports.
    await lab.router.ip(['link set br-lan mtu 1400', 'link set br-lan mtu 1500', `link set ${server.port} mtu 1400`]);
    await leavesBy(lab, server, 'br-lan');
    await lab.router.ip([`link set ${server.port} mtu 1500`]);
    await leavesBy(lab, server, server.port);
  });
  assert.equal(result, NOTHING);
});

test('a bond is a port like others, whichever of its cables is in use', async (scene) => {
  const { lab } = scene;
  const [server] = named(lab, 's2');
  if (!hasBonds) return figure('this kernel has no bonds');
  const result = await underLoad(scene, [server], async () => {
    await lab.router.ip(['link set bdbond type bond active_slave bdb']);
    assert.equal(await egressOf(lab, server), { 4: 'bdbond', 6: 'bdbond' });
  });
  assert.equal(result, NOTHING);
});

test('a daemon that is killed leaves the ways as they are, and the next one takes them over', async (scene) => {
  const { lab, config } = scene;
  const { daemon } = lab;
  const result = await underLoad(scene, lab.servers, async () => {
    const before = await fixedNeighbours(lab);
    await daemon.crash();
    assert.equal(await fixedNeighbours(lab), before);
    await daemon.start(config);
    assert.equal(await fixedNeighbours(lab), before);
    for (const server of lab.servers) await leavesBy(lab, server, usualPort(server));
  });
  assert.equal(result, NOTHING);
});

test('a port that blocks gets nothing, as behind the bridge, and everything once it forwards', async (scene) => {
  const { lab, oracle } = scene;
  const [server] = named(lab, 's5');
  const from = clientOf(oracle, server.name, 4);
  const connection = await lab.traffic(lab.wan).tcp(from, ghost[4], echoPort);
  // Disabled, listening, learning. One that blocks (4) is back in the same instant where no spanning tree is kept.
  for (const state of [0, 1, 2]) {
    await lab.router.run(['bridge', 'link', 'set', 'dev', server.port, 'state', String(state)]);
    const blocked = await leavesBy(lab, server, 'br-lan');
    const before = await sentBy(lab, server.port);
    const question = heard(connection, 10_000);
    await lab.router.run(['bridge', 'link', 'set', 'dev', server.port, 'state', '3']);
    figure(`state ${state}: by the bridge after ${blocked.toFixed(0)} ms`);
    assert.is((await question).server, server.name);
    assert.ok((await sentBy(lab, server.port)) > before);
    await leavesBy(lab, server, server.port, RETURN);
  }
});

test('a server with another MAC address keeps its port, and its connections', async (scene) => {
  const { lab } = scene;
  const [server] = named(lab, 's3');
  const hardware = '02:00:00:00:05:03';
  const { breaks } = await underLoad(scene, [server], async () => {
    await server.namespace.ip([`link set eth0 address ${hardware}`]);
    for (const family of families) {
      // What a server says to anybody makes it ask for the router, and so name itself.
      assert.ok(await ping(server.namespace, server.address[family], routerAddresses.lan[family]));
      const { milliseconds } = await eventually('the new address', 5_000, async () => {
        const entries = await fixedNeighbours(lab);
        return (
          entries.some((line) => line.startsWith(`${server.address[family]} dev ${server.port} lladdr ${hardware}`)) ||
          undefined
        );
      });
      figure(
        `IPv${family}: the port's entry has the new MAC ${milliseconds.toFixed(0)} ms after the server has spoken`,
      );
      // The entry comes before the rule that needs it.
      await eventually(
        'by the port',
        5_000,
        async () => (await egressOf(lab, server))[family] === server.port || undefined,
      );
    }
  });
  assert.equal(breaks, []);
});

test('a server that moves to another port is reached at once, and its connections live', async (scene) => {
  const { lab, oracle } = scene;
  const [server] = named(lab, 's1');
  const { breaks } = await underLoad(scene, [server], async () => {
    const clients = await Promise.all(
      families.map((family) =>
        lab.traffic(lab.wan).udp(clientOf(oracle, server.name, family), ghost[family], echoPort),
      ),
    );
    await lab.router.ip(['link set swa0 nomaster', 'link set swb0 master sw']);
    // A machine that moves tells the switches on its new way.
    assert.ok(await ping(server.namespace, server.address[4], routerAddresses.lan[4]));
    const { milliseconds } = await eventually('answers', 3_000, async () => {
      const answers = await Promise.all(clients.map((client) => client.ask(50)));
      return answers.every((answer) => 'server' in answer && answer.server === server.name) || undefined;
    });
    figure(`a server that has moved and spoken answers after ${milliseconds.toFixed(0)} ms`);
    assert.equal(await egressOf(lab, server), { 4: 'br-lan', 6: 'br-lan' });
    for (const client of clients) client.close();
  });
  assert.equal(breaks, []);
});

test('a port that goes down, and one that leaves the bridge, are left at once', async (scene) => {
  const { lab } = scene;
  const [down, absent] = named(lab, 's4', 's6');
  await lab.router.ip([`link set ${down.port} down`, `link set ${absent.port} nomaster`]);
  const left = [await leavesBy(lab, down, 'br-lan'), await leavesBy(lab, absent, 'br-lan')];
  figure(`left after ${left.map((milliseconds) => milliseconds.toFixed(0)).join(' and ')} ms`);
  const entries = async () => (await fixedNeighbours(lab)).filter((line) => line.includes(`dev ${absent.port} `));
  await eventually('no entry on what is no port', 5_000, async () => (await entries()).length === 0 || undefined);
  await lab.router.ip([`link set ${down.port} up`, `link set ${absent.port} master br-lan`]);
  const told = ({ name }: Server) =>
    lab.daemon.process.waitFor((line) => line.includes(`web: ${name} up`) || undefined);
  await Promise.all([told(down), told(absent)]);
  assert.equal(await underLoad(scene, [down, absent], () => Promise.resolve()), NOTHING);
});

test('a forwarding database that was flushed: the bridge floods, and nothing is lost', async (scene) => {
  const { lab } = scene;
  const [server] = named(lab, 's7');
  const result = await underLoad(scene, [server], async () => {
    await lab.router.ip(['link set br-lan type bridge fdb_flush']);
    await leavesBy(lab, server, 'br-lan');
  });
  assert.equal(result, NOTHING);
});

test('when the bridge has been sure for a while all leave by ports again', async ({ lab }) => {
  const [mover] = named(lab, 's1');
  for (const server of lab.servers) await leavesBy(lab, server, server === mover ? 'swb' : usualPort(server), RETURN);
  const entries = await fixedNeighbours(lab);
  assert.is(entries.length, 2 * lab.servers.length);
  assert.is(entries.filter((line) => / dev swb /.test(line)).length, 2);
});

test('switched off, and at the end, nothing of it is left', async ({ lab, config }) => {
  const { daemon } = lab;
  await daemon.reload(`config globals 'globals'\n\toption bridge_bypass '0'\n${config}`);
  for (const server of lab.servers) assert.equal(await egressOf(lab, server), { 4: 'br-lan', 6: 'br-lan' });
  assert.equal(await fixedNeighbours(lab), []);
  await daemon.reload(config);
  const [server] = named(lab, 's7');
  await leavesBy(lab, server, server.port);
  assert.is.not((await fixedNeighbours(lab)).length, 0);
  await daemon.stop();
  assert.equal(await fixedNeighbours(lab), []);
});

run();
