import * as assert from 'uvu/assert';
import { families, lanHost, routerAddresses } from '../../lab/addresses.ts';
import { clientOf, keepAsking } from '../../lab/egress-scene.ts';
import { eventually, figure, spreadClients, whoAnswers } from '../../lab/scenario.ts';
import { echoPort } from '../../lab/servers.ts';
import { TrafficLoad } from '../../lab/traffic-load.ts';
import type { MachineLab } from '../machine-lab.ts';
import {
  configured,
  frames,
  ghost,
  ghostApart,
  leavesBy,
  length,
  run,
  test,
  untilLeavesBy,
  type Scene,
} from './bridge-scene.ts';

/** Everybody is served by the server that the hash says. */
async function served({ lab, oracle }: Scene): Promise<void> {
  for (const family of families) {
    for (const client of spreadClients(family, 12)) {
      for (const protocol of ['tcp', 'udp'] as const) {
        const answer = await whoAnswers(lab, lab.wan, protocol, client, ghost[family], echoPort);
        assert.equal([answer.server, answer.client], [oracle.server('web', client), client]);
      }
    }
  }
}

/** Milliseconds without an answer after which a flow has broken: a machine that is emulated may stand still for some. */
const PATIENCE = 20_000;

/** Milliseconds after which a datagram without an answer counts as lost, and a bit. */
const JUDGEMENT = 1_200;

/** A cable is pulled at the switch's end, and put back, while a server is asked; what has broken meanwhile, in words. */
async function pullCable(lab: MachineLab, load: TrafficLoad, bond: string): Promise<string[]> {
  const { shell } = lab;
  await load.allOpen(20_000);
  for (const [pulled, other] of [
    ['a', 'b'],
    ['b', 'a'],
  ]) {
    const before = await frames(lab, `${bond}${other}`, 'tx');
    await shell.run(`ip link set ${bond}${pulled}0 down`);
    await shell.run(`while ! grep -q ${bond}${other} /sys/class/net/${bond}bond/bonding/active_slave; do :; done`);
    await eventually('packets by the other cable', 10_000, async () => {
      return (await frames(lab, `${bond}${other}`, 'tx')) > before + 50 || undefined;
    });
    await shell.run(`ip link set ${bond}${pulled}0 up`);
  }
  await new Promise((resolve) => setTimeout(resolve, JUDGEMENT));
  return load.breaks.map(({ server, reason, options }) => `${options.protocol} of ${server}: ${reason}`);
}

/** Datagrams lost, and the longest time in which a flow got no answer. */
function gapOf(load: TrafficLoad): string {
  const longest = Math.max(0, ...load.losses.map(({ since, good }) => since - good));
  return `${load.losses.length} datagrams lost, the last of a gap ${Math.round(longest)} ms after an answer`;
}

test('a bond is a port of the bridge as others are, whichever of its cables is plugged in', async ({ lab, oracle }) => {
  const [, , bonded] = lab.servers;
  assert.ok(bonded);
  for (const [server, port] of Object.entries({ s1: 'lan0', s2: 'tag', s3: 'bdbond' })) {
    await untilLeavesBy(lab, server, port);
  }
  const load = new TrafficLoad(lab.wan, PATIENCE);
  keepAsking(load, oracle, bonded);
  assert.equal(await pullCable(lab, load, 'bd'), []);
  figure(`a bond as a port, each of its cables pulled once: ${gapOf(load)}`);
  assert.equal(await leavesBy(lab, 's3'), { 4: 'bdbond', 6: 'bdbond' });
  await load.end();
});

test("a bond is a service's device as others are", async ({ lab }) => {
  const load = new TrafficLoad(lab.wan, PATIENCE);
  for (const family of families) {
    for (const protocol of ['tcp', 'udp'] as const) {
      const [source = ''] = spreadClients(family, 1);
      load.hold({ protocol, source, destination: ghostApart[family], port: echoPort, period: 20 });
    }
  }
  assert.equal(await pullCable(lab, load, 'dv'), []);
  figure(`a bond as the device, each of its cables pulled once: ${gapOf(load)}`);
  assert.equal(await leavesBy(lab, 's4', 'apart'), { 4: 'dvbond', 6: 'dvbond' });
  await load.end();
});

/** All ports in VLAN 10; that of s2 has tags. */
const VLANS = [
  ...['dev lan0', 'dev bdbond', 'dev br-lan self'].map((port) => `vlan add vid 10 pvid untagged ${port}`),
  'vlan add vid 10 dev tag',
  ...['dev lan0', 'dev bdbond', 'dev tag', 'dev br-lan self'].map((port) => `vlan del vid 1 ${port}`),
];

test('where VLANs are filtered the bridge decides, with and without tags; nobody else notices', async (scene) => {
  const { lab, oracle } = scene;
  const { shell } = lab;
  const [plain, tagged, bonded] = lab.servers;
  assert.ok(plain && tagged && bonded);
  const load = new TrafficLoad(lab.wan, PATIENCE);
  for (const server of [plain, bonded]) keepAsking(load, oracle, server);
  await load.allOpen(20_000);
  await shell.write('/tmp/vlans', VLANS.map((line) => `${line}\n`).join(''));
  await shell.run('bridge -batch /tmp/vlans');
  await shell.run('ip link set br-lan type bridge vlan_filtering 1');
  for (const { name } of [plain, tagged, bonded]) await untilLeavesBy(lab, name, 'br-lan');
  assert.not.match(await shell.run('ip neighbour show nud permanent'), /PERMANENT.* proto 111/);
  await shell.run('ip link set tag0 nomaster; ip link set tag0.10 master far');
  const client = clientOf(oracle, tagged.name, 4);
  await eventually('the server behind the tag', 30_000, async () => {
    const conversation = await lab.traffic(lab.wan).udp(client, ghost[4], echoPort);
    const answer = await conversation.ask(1_000);
    conversation.close();
    return ('server' in answer && answer.server === tagged.name) || undefined;
  });
  const before = await frames(lab, 'tag0.10', 'rx');
  await served(scene);
  assert.ok((await frames(lab, 'tag0.10', 'rx')) > before + 20, 'packets have had the tag');
  assert.equal(
    load.breaks.map(({ server, reason }) => `${server}: ${reason}`),
    [],
  );
  figure(`VLANs filtered while ${load.held.size} flows went on: none broken, ${load.losses.length} datagrams lost`);
  await load.end();
});

test("a VLAN of the bridge is a service's device, as where ports are a switch's", async (scene) => {
  const { lab } = scene;
  const { shell } = lab;
  const lines = [
    'link add link br-lan name br-lan.10 type vlan id 10',
    'link set br-lan.10 up',
    ...families.flatMap((family) => {
      const address = `${routerAddresses.lan[family]}/${length[family]}`;
      return [
        `address del ${address} dev br-lan`,
        `address add ${address} dev br-lan.10${family === 6 ? ' nodad' : ''}`,
      ];
    }),
  ];
  await shell.write('/tmp/vlan-device', lines.map((line) => `${line}\n`).join(''));
  await shell.run('bridge vlan add vid 10 dev br-lan self; ip -batch /tmp/vlan-device');
  await shell.write('/etc/config/oneip', configured(lab, 'br-lan.10'));
  await shell.run('oneip reload', 120_000);
  for (const name of ['s1', 's2', 's3']) {
    assert.equal(await leavesBy(lab, name), { 4: 'br-lan.10', 6: 'br-lan.10' });
  }
  await served(scene);
  for (const family of families) {
    const client = lanHost[family];
    const answer = await whoAnswers(lab, lab.lan, 'tcp', client, ghost[family], echoPort);
    assert.is(answer.server, scene.oracle.server('web', client));
  }
});

run();
