import * as assert from 'uvu/assert';
import { families, ghostPlaces } from './addresses.ts';
import { clientOf, egressOf, fixedNeighbours, leavesBy } from './egress-scene.ts';
import { configuration, eventually, whoAnswers } from './scenario.ts';
import { echoPort } from './servers.ts';
import { labSuite } from './suite.ts';

const { test, run } = labSuite('egress-ipv6', { servers: 2 }, async (lab) => {
  // As netifd does with ports of bridges.
  await lab.router.sysctl({ 'net.ipv6.conf.lan1.disable_ipv6': 1 });
  return configuration(lab, { web: { options: { port: echoPort } } });
});

test('a port without IPv6 takes no neighbours of that family: those packets go by the bridge', async ({
  lab,
  oracle,
}) => {
  const [first, second] = lab.servers;
  assert.ok(first && second);
  await leavesBy(lab, second, second.port);
  await eventually(
    'the first one by its port',
    5_000,
    async () => (await egressOf(lab, first))[4] === first.port || undefined,
  );
  assert.equal(await egressOf(lab, first), { 4: first.port, 6: 'br-lan' });
  assert.is((await fixedNeighbours(lab)).length, 3);
  assert.ok(lab.daemon.log.some((line) => /dev lan1 nud permanent: .*; its packets go by the bridge/.test(line)));
  for (const family of families) {
    for (const { name } of lab.servers) {
      const from = clientOf(oracle, name, family);
      const { server } = await whoAnswers(lab, lab.wan, 'tcp', from, ghostPlaces.elsewhere[family], echoPort);
      assert.is(server, name);
    }
  }
});

run();
