import * as assert from 'uvu/assert';
import type { Family } from '../../src/net/address.ts';
import { families, ghostPlaces, routerAddresses, wanClient } from './addresses.ts';
import { ping } from './ping.ts';
import { configuration, eventually, figure, heard, whoAnswers } from './scenario.ts';
import { echoPort } from './servers.ts';
import type { Scene } from './suite.ts';
import { labSuite } from './suite.ts';
import { answered } from './traffic.ts';

const ghost = ghostPlaces.elsewhere;
/** With the kernel's own timing the silent server below is found after half a minute, for which only full runs have time. */
const kernelTiming = (globalThis as { ONEIP_FULL?: boolean }).ONEIP_FULL === true;

const { test, run } = labSuite('neighbours', {}, async (lab) => {
  const timing = { base_reachable_time_ms: 1000, delay_first_probe_time: 1, retrans_time_ms: 300 };
  for (const ip of kernelTiming ? [] : ['ipv4', 'ipv6']) {
    await lab.router.sysctl(
      Object.fromEntries(Object.entries(timing).map(([key, value]) => [`net.${ip}.neigh.br-lan.${key}`, value])),
    );
  }
  return configuration(lab, { web: { options: { port: echoPort } } });
});

/** A client of the server. */
function clientOf({ oracle }: Scene, server: string, family: Family): string {
  for (let number = 1; ; number++) {
    const client = wanClient(family, number);
    if (oracle.server('web', client) === server) return client;
  }
}

test('servers are known before the first client comes', async (scene) => {
  const { lab } = scene;
  await eventually('neighbours', 3000, async () => {
    const listed = await lab.router.run(['ip', 'neighbour', 'show', 'dev', 'br-lan']);
    const known = lab.servers.flatMap(({ address, mac }) =>
      families.map((family) => new RegExp(`^${address[family]} lladdr ${mac} managed`, 'm').test(listed)),
    );
    return known.every(Boolean) || undefined;
  });
  for (const family of families) {
    for (const server of lab.servers) {
      const from = clientOf(scene, server.name, family);
      const began = performance.now();
      assert.is((await whoAnswers(lab, lab.wan, 'tcp', from, ghost[family], echoPort)).server, server.name);
      assert.ok(performance.now() - began < 900, 'no SYN has been lost');
    }
  }
});

test('a server that speaks with another MAC address is followed at once', async (scene) => {
  const { lab } = scene;
  const server = lab.servers[0];
  assert.ok(server);
  const clients = families.map((family) => ({ family, from: clientOf(scene, server.name, family) }));
  const connections = await Promise.all(
    clients.map(({ family, from }) => lab.traffic(lab.wan).tcp(from, ghost[family], echoPort)),
  );
  for (const connection of connections) await heard(connection);
  await server.namespace.ip(['link set eth0 address 02:00:00:00:03:01']);
  const began = performance.now();
  for (const { family, from } of clients) {
    // What a server says to anybody makes it ask for the router, and so name itself.
    assert.ok(await ping(server.namespace, server.address[family], routerAddresses.lan[family]));
    // Past the bridge it takes the daemon as long as it takes to hear of it.
    const client = await lab.traffic(lab.wan).udp(from, ghost[family], echoPort);
    const { result } = await eventually('an answer', 1_000, async () => {
      const answer = await client.ask(20);
      return answered(answer) ? answer : undefined;
    });
    assert.is(result.server, server.name);
    client.close();
  }
  figure(`a server with a new MAC that speaks is reached after ${(performance.now() - began).toFixed(0)} ms`);
  for (const connection of connections) assert.is((await heard(connection)).server, server.name);
});

test('a server that says nothing of its new MAC address is found again, connections included', async (scene) => {
  const { lab } = scene;
  await Promise.all(
    families.map(async (family) => {
      const server = lab.servers[family === 4 ? 1 : 2];
      assert.ok(server);
      const from = clientOf(scene, server.name, family);
      const connection = await lab.traffic(lab.wan).tcp(from, ghost[family], echoPort);
      const client = await lab.traffic(lab.wan).udp(from, ghost[family], echoPort);
      await heard(connection);
      await server.namespace.ip([`link set eth0 address 02:00:00:00:04:0${family}`]);
      const { milliseconds } = await eventually('an answer', 75_000, async () => {
        const answer = await client.ask(100);
        return answered(answer) ? answer : undefined;
      });
      assert.is((await heard(connection, 60_000)).server, server.name);
      assert.ok(connection.alive);
      const timing = kernelTiming ? 'the kernel’s own timing' : 'short neighbour timers';
      figure(`IPv${family}: a silent server with a new MAC is reached after ${milliseconds.toFixed(0)} ms, ${timing}`);
    }),
  );
  const taken = lab.daemon.log.filter((line) => line.includes(' down '));
  assert.equal(taken, [], 'it was never taken for dead');
});

test('a server that answers nobody is taken out, and comes back when it answers', async (scene) => {
  const { lab } = scene;
  const server = lab.servers[3];
  assert.ok(server);
  const from = clientOf(scene, server.name, 4);
  const answers = (mode: number) => server.namespace.sysctl({ 'net.ipv4.conf.all.arp_ignore': mode });
  await answers(8);
  const told = (what: string) => (line: string) => line.includes(`web: ${server.name} ${what}`) || undefined;
  await lab.daemon.process.waitFor(told(`down (neighbour ${server.address[4]} does not answer)`), 75_000);
  const { server: successor } = await whoAnswers(lab, lab.wan, 'udp', from, ghost[4], echoPort);
  assert.is.not(successor, server.name);
  await answers(1);
  await lab.daemon.process.waitFor(told('up'), 75_000);
  await eventually('its client', 20_000, async () => {
    const answer = await whoAnswers(lab, lab.wan, 'tcp', from, ghost[4], echoPort);
    return answer.server === server.name || undefined;
  });
});

run();
