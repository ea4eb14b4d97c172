import * as assert from 'uvu/assert';
import type { Family } from '../../src/net/address.ts';
import { families, ghostPlaces, guestHost, lanHost, macs, wanClient, wanHost } from './addresses.ts';
import { Capture } from './capture.ts';
import { httpGet, url } from './http.ts';
import type { Namespace } from './namespace.ts';
import { protocol } from './packet.ts';
import { ping } from './ping.ts';
import { bigDatagram, configuration, eventually, trackedConnections, whoAnswers } from './scenario.ts';
import { echoPort } from './servers.ts';
import type { Scene } from './suite.ts';
import { labSuite } from './suite.ts';

/** Where clients are, and how their link asks for the ghost's hardware address. */
interface Neighbour {
  readonly namespace: Namespace;
  readonly address: (family: Family) => string;
}

function placesOf({ lab }: Scene): Neighbour[] {
  return [
    { namespace: lab.wan, address: (family) => wanHost[family] },
    { namespace: lab.wan, address: (family) => wanClient(family, 700) },
    { namespace: lab.lan, address: (family) => lanHost[family] },
    { namespace: lab.guest, address: (family) => guestHost[family] },
  ];
}

for (const place of ['wan', 'lan'] as const) {
  const ghost = ghostPlaces[place];
  /** Those on whose link the ghost lies: nobody but the router may answer them. */
  const neighbour = place === 'wan' ? wanHost : lanHost;
  const routerMac = place === 'wan' ? macs.routerWan : macs.routerLan;

  const { test, run } = labSuite(
    `ghost in the subnet of the ${place.toUpperCase()}`,
    { ghosts: [ghost[4], ghost[6]], strictReversePath: place === 'wan' },
    (lab) => configuration(lab, { web: { options: { port: ['80', String(echoPort)] } } }),
  );

  test('the very first packet of a neighbour that knows nothing is served', async ({ lab, oracle }) => {
    const namespace = place === 'wan' ? lab.wan : lab.lan;
    const link = await Capture.start(namespace, 'eth0');
    for (const family of families) {
      const known = await namespace.run(['ip', 'neighbour', 'show', 'to', ghost[family]]);
      assert.is(known, '', 'nobody has asked for the ghost yet');
      const from = neighbour[family];
      const began = performance.now();
      const answer = await whoAnswers(lab, namespace, 'tcp', from, ghost[family], echoPort);
      const milliseconds = performance.now() - began;
      assert.is(answer.server, oracle.server('web', from));
      const syns = (await link.take()).filter(
        ({ direction, protocol: number, payload }) =>
          direction === 'out' && number === protocol.tcp && (payload[13] ?? 0) === 2,
      );
      assert.is(syns.length, 1, 'one SYN is enough');
      assert.ok(milliseconds < 900, `${milliseconds} ms`);
      const learned = await namespace.run(['ip', 'neighbour', 'show', 'to', ghost[family]]);
      assert.match(learned, routerMac);
    }
    await link.end();
  });

  test('clients everywhere: HTTP, datagrams, ping, fragments', async (scene) => {
    const { lab, oracle } = scene;
    for (const { namespace, address } of placesOf(scene)) {
      for (const family of families) {
        const from = address(family);
        const server = oracle.server('web', from);
        const page = await httpGet(namespace, from, url(ghost[family]));
        assert.equal([page.server, page.client], [server, from]);
        assert.is((await whoAnswers(lab, namespace, 'udp', from, ghost[family], echoPort)).server, server);
        assert.ok(await ping(namespace, from, ghost[family]), `ping from ${from}`);
        assert.is(await bigDatagram(namespace, from, ghost[family], echoPort, 3000), server);
      }
    }
    assert.equal(await trackedConnections(lab.router, [ghost[4], ghost[6]]), []);
  });

  test('nobody else answers for the ghost, and the router for no other address', async ({ lab }) => {
    const namespace = place === 'wan' ? lab.wan : lab.lan;
    const beside =
      place === 'wan' ? { 4: '203.0.113.81', 6: '2001:db8::81' } : { 4: '192.168.1.181', 6: 'fd00:1::181' };
    for (const family of families) {
      await namespace.ip([`neighbour flush to ${ghost[family]}`]);
      assert.ok(await ping(namespace, neighbour[family], ghost[family]));
      assert.match(await namespace.run(['ip', 'neighbour', 'show', 'to', ghost[family]]), routerMac);
      assert.not(await ping(namespace, neighbour[family], beside[family], { wait: 1 }));
      assert.not.match(await namespace.run(['ip', 'neighbour', 'show', 'to', beside[family]]), 'lladdr');
    }
  });

  test('when the daemon ends, the ghost is gone from the link', async ({ lab, config }) => {
    const namespace = place === 'wan' ? lab.wan : lab.lan;
    assert.is(await lab.daemon.stop(), 0);
    for (const family of families) {
      await namespace.ip([`neighbour flush to ${ghost[family]}`]);
      assert.not(await ping(namespace, neighbour[family], ghost[family], { wait: 1 }));
      assert.not.match(await namespace.run(['ip', 'neighbour', 'show', 'to', ghost[family]]), 'lladdr');
    }
    await lab.daemon.start(config);
    // The neighbour may still be giving up on what it asked while nobody answered.
    for (const family of families) {
      await eventually('an answer', 3000, async () =>
        (await ping(namespace, neighbour[family], ghost[family], { wait: 1 })) ? true : undefined,
      );
    }
  });

  run();
}
