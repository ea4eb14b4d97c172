import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadConfiguration } from '../../src/config/validate.ts';
import { identify } from '../../src/server/identity.ts';
import { serverScript } from '../../src/server/script.ts';
import { families, ghostPlaces } from './addresses.ts';
import { Daemon } from './daemon.ts';
import { sweepDeadLabs } from './namespace.ts';
import { tool } from './paths.ts';
import { configuration, eachOf, figure, Oracle, spreadClients, whoAnswers } from './scenario.ts';
import { takenBy } from './server-programs.ts';
import { echoPort } from './servers.ts';
import { buildTopology, type Topology } from './topology.ts';
import { TrafficClient } from './traffic.ts';

// As many servers as one dispatcher shall have at least (O9), each of which gets every packet. Made such by the script, they
// have no daemon, and no program but one that answers.

const count = 75;
const clients = 300;
const ghost = ghostPlaces.elsewhere;

/** Makes every machine a server of the configuration, and has a program answer there. */
async function startScripts(topology: Topology, config: string): Promise<void> {
  const { model } = loadConfiguration(config, 'lab');
  await eachOf(topology.servers, 4, async ({ name, namespace }) => {
    const identity = identify(model, name, []);
    assert.ok(typeof identity === 'object', String(identity));
    const folder = join(topology.folder, name);
    mkdirSync(folder, { recursive: true });
    const script = join(folder, 'script');
    writeFileSync(script, serverScript(identity));
    await namespace.run(['env', `ONEIP_SERVER_STATE=${join(folder, 'state')}`, 'sh', script, 'start']);
    const echo = namespace.start([tool('echo-server'), name, String(echoPort)]);
    await echo.waitFor((line) => line === 'ready' || undefined);
  });
}

test(`${count} servers: each client is answered by one of them, which simulate names`, async () => {
  sweepDeadLabs();
  const began = performance.now();
  const seconds = () => ((performance.now() - began) / 1_000).toFixed(1);
  const topology = await buildTopology({ servers: count, bareServers: true });
  try {
    const config = configuration(topology, {
      web: { options: { dispatch: 'broadcast', proto: 'tcp+udp', port: String(echoPort) } },
    });
    const built = seconds();
    await startScripts(topology, config);
    const daemon = new Daemon(topology.router, join(topology.folder, 'router'));
    await daemon.start(config);
    const ready = seconds();
    const oracle = new Oracle(config);
    const traffic = new TrafficClient(topology.wan);
    const lab = { traffic: () => traffic };
    const expected = new Map(topology.servers.map(({ name }) => [name, 0]));
    for (const family of families) {
      await eachOf(spreadClients(family, clients), 20, async (client) => {
        const server = oracle.server('web', client);
        for (const protocol of ['tcp', 'udp'] as const) {
          const answer = await whoAnswers(lab, topology.wan, protocol, client, ghost[family], echoPort);
          assert.is(answer.server, server, `${protocol} from ${client}`);
          expected.set(server, (expected.get(server) ?? 0) + 1);
        }
      });
    }
    // Who else takes a packet would be seen here, whether or not its answer came first.
    assert.equal(await takenBy(topology, 'web'), expected);
    const serving = [...expected.values()].filter((taken) => taken > 0).length;
    assert.ok(serving > count * 0.95, `${serving} servers have clients`);
    figure(
      `${count} servers, ${serving} of them with some of ${2 * clients} clients; built after ${built} s, ready after ${ready} s, all after ${seconds()} s`,
    );
    assert.is(await daemon.stop(), 0);
    await traffic.end();
  } finally {
    await topology.remove();
  }
});

test.run();
