import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ghostPlaces } from './addresses.ts';
import { examine } from './doctor.ts';
import { withLab } from './lab.ts';
import { configuration } from './scenario.ts';
import { startServerDaemons } from './server-programs.ts';
import type { TopologyOptions } from './topology.ts';

const firewall = { mark: 0x6f690000, mask: 0xffff0000 };

for (const [name, options] of [
  ['ghosts that are routed to the router', { strictReversePath: true }],
  ['ghosts in the subnet of the WAN', { ghosts: Object.values(ghostPlaces.wan), firewall }],
  ['ghosts that are the addresses of the router itself', { ghosts: Object.values(ghostPlaces.router), firewall }],
  ['a dispatcher with one arm', { oneArmed: true }],
  ['large frames on the network of the servers', { lanMtu: 9000, firewall }],
  ['a narrow WAN', { wanMtu: 1400 }],
] as const satisfies readonly (readonly [string, TopologyOptions])[]) {
  test(`${name}: nothing is wrong, neither with the router nor with a server`, () =>
    withLab({ servers: 2, ...options }, async (lab) => {
      const { daemon, router, servers } = lab;
      const source = 'oneArmed' in options ? ['br-lan'] : ['wan', 'br-lan', 'br-guest'];
      await daemon.start(configuration(lab, { web: { options: { port: ['80', '7000'], source } } }));
      const places = ['--state', daemon.stateFolder, '--ubus', daemon.ubusSocket];
      const found = await examine(router, ['--config', daemon.configFile, ...places]);
      assert.equal(found.ids, [], found.text);
      for (const { namespace } of servers) {
        const served = await examine(namespace, ['--config', daemon.configFile]);
        assert.equal(served.ids, [], served.text);
      }
    }));
}

for (const dispatch of ['route', 'broadcast', 'multicast']) {
  test(`servers that set themselves up, dispatch ${dispatch}: nothing is wrong, and a filter that is gone is missed`, () =>
    withLab({ servers: 2, bareServers: true }, async (lab) => {
      const config = configuration(lab, { web: { options: { port: ['80', '7000'], source: 'wan', dispatch } } });
      await lab.daemon.start(config);
      const daemons = await startServerDaemons(lab, config);
      const { daemon, router, servers } = lab;
      const places = ['--state', daemon.stateFolder, '--ubus', daemon.ubusSocket];
      const found = await examine(router, ['--config', daemon.configFile, ...places]);
      assert.equal(found.ids, [], found.text);
      for (const { namespace } of servers) {
        const served = await examine(namespace, ['--config', daemon.configFile]);
        assert.equal(served.ids, [], served.text);
      }
      const [first] = servers;
      const [own] = daemons;
      assert.ok(first && own);
      own.process.signal('SIGSTOP');
      await first.namespace.run(['nft', 'flush', 'ruleset']);
      const { ids } = await examine(first.namespace, ['--config', daemon.configFile]);
      assert.equal(ids, dispatch === 'route' ? [] : ['filter-missing']);
      own.process.signal('SIGCONT');
    }));
}

test.run();
