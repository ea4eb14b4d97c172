import * as assert from 'uvu/assert';
import type { Family } from '../../src/net/address.ts';
import { families, ghostPlaces, scatteredClient, wanClient, type Pair } from './addresses.ts';
import { LabBus } from './bus.ts';
import { ChangeMonitor } from './change-monitor.ts';
import { ControlClient } from './control-client.ts';
import type { Lab } from './lab.ts';
import { configuration, eventually, figure, whoAnswers } from './scenario.ts';
import { echoPort } from './servers.ts';
import { preparedSuite, type Scene } from './suite.ts';
import { answered } from './traffic.ts';
import { TrafficLoad, clock } from './traffic-load.ts';
import type { UciOptions } from './uci.ts';

const fixed = ghostPlaces.elsewhere;
const first: Pair = { 4: '192.0.2.91', 6: '2001:db8:80::91' };
const second: Pair = { 4: '192.0.2.92', 6: '2001:db8:80::92' };
/** Of another logical interface on the same device: a modem's, say. */
const alien = '192.0.2.99';
/** Milliseconds between two questions of a connection. */
const period = 300;
/** Milliseconds that a change may take to get from netlink and the bus to the kernel, on a machine that has much to do. */
const patience = 5000;

function configurationOf(lab: Lab, followed: UciOptions = { ghost_interface: ['uplink', 'uplink6'] }): string {
  const options = { dispatch: 'nat', port: String(echoPort), source: ['wan'] };
  return configuration(lab, {
    web: { ghost: [], options: { ...options, ...followed } },
    fixed: { ghost: families.map((family) => fixed[family]), options },
  });
}

interface Followed extends Scene {
  readonly bus: LabBus;
  readonly control: ControlClient;
}

let started: LabBus | undefined;
const { test, run } = preparedSuite<Followed>(
  'ghost addresses that are those of an interface',
  { bareServers: true, firewall: { mark: 0x6f690000, mask: 0xffff0000 } },
  async (lab) => {
    started = await LabBus.start(lab.daemon.ubusSocket, {});
    await lab.router.ip([`address add ${alien}/32 dev wan`]);
    return configurationOf(lab);
  },
  async (scene) => {
    if (!started) throw new Error('there is no bus');
    return { ...scene, bus: started, control: await ControlClient.join(started) };
  },
);

const interfaces = [
  ['uplink', 4],
  ['uplink6', 6],
] as const;

/** As netifd does it: it knows first, then changes the kernel's addresses, and tells in the end. */
async function setAddresses({ lab, bus }: Followed, wanted: Pair | undefined, before?: Pair): Promise<void> {
  const lines = (verb: string, pair: Pair | undefined) =>
    pair ? families.map((family) => `address ${verb} ${pair[family]}/${family === 4 ? 32 : 128} dev wan`) : [];
  for (const [name, family] of interfaces) bus.setAddresses(name, wanted ? [wanted[family]] : []);
  await lab.router.ip([...lines('add', wanted), ...lines('delete', before)]);
  for (const [name] of interfaces) {
    if (wanted) bus.setDevice(name, 'wan');
    else bus.removeInterface(name);
  }
}

/** Resolves when the service has these ghosts, and says how long that took. */
async function hasGhosts({ control }: Followed, wanted: readonly string[]): Promise<number> {
  const { milliseconds } = await eventually(`ghosts ${wanted.join(', ')}`, patience, async () => {
    const { ghosts } = (await control.service('web')) as unknown as { ghosts: readonly string[] };
    return JSON.stringify([...ghosts].sort()) === JSON.stringify([...wanted].sort()) || undefined;
  });
  return milliseconds;
}

function both(pair: Pair): string[] {
  return families.map((family) => pair[family]);
}

async function answers(lab: Lab, ghost: Pair): Promise<void> {
  for (const family of families) {
    for (const protocol of ['tcp', 'udp'] as const) {
      const client = wanClient(family, 7100);
      const answer = await whoAnswers(lab, lab.wan, protocol, client, ghost[family], echoPort);
      assert.is(answer.client, client);
    }
  }
}

/** New connections to an address that nobody has any more. */
async function isSilent(lab: Lab, ghost: string, family: Family): Promise<void> {
  const conversation = await lab.traffic(lab.wan).udp(wanClient(family, 7200), ghost, echoPort);
  assert.not.ok(answered(await conversation.ask(500)), `${ghost} is nobody's`);
  conversation.close();
}

test('without an address the service waits and says so, and others serve', async (scene) => {
  const status = (await scene.control.service('web')) as unknown as { running: boolean; inactive?: string };
  assert.is(status.running, false);
  assert.match(status.inactive ?? '', "'uplink', 'uplink6' has no address at the moment");
  assert.ok(scene.lab.daemon.log.some((line) => line.includes("option 'ghost_interface': 'uplink' is neither")));
  await answers(scene.lab, fixed);
});

test('the address that an interface gets is the ghost, and no other of its device', async (scene) => {
  await setAddresses(scene, first);
  await hasGhosts(scene, both(first));
  await answers(scene.lab, first);
  await isSilent(scene.lab, alien, 4);
});

test('another address is one transaction; old connections stay, new ones reach it, and others notice nothing', async (scene) => {
  const { lab } = scene;
  const load = new TrafficLoad(lab.wan, 10_000);
  for (let number = 0; number < 25; number++) {
    for (const family of families) {
      for (const protocol of ['tcp', 'udp'] as const) {
        for (const ghost of [first, fixed]) {
          const source = scatteredClient(family, number);
          load.hold({ protocol, source, destination: ghost[family], port: echoPort, period });
        }
      }
    }
  }
  await load.allOpen(30_000);
  const monitor = await ChangeMonitor.start(lab.router);
  let took = 0;
  const { nftables } = await monitor.during(async () => {
    await setAddresses(scene, second, first);
    took = await hasGhosts(scene, both(second));
  });
  await monitor.stop();
  const transactions = nftables.filter((line) => line.startsWith('# new generation'));
  assert.is(transactions.length, 1, nftables.join('\n'));
  assert.ok(nftables.length < 100, `${nftables.length} changes`);
  assert.not.ok(
    nftables.some((line) => line.includes('/slot')),
    'no slot is touched',
  );
  figure(
    `another address: ${nftables.length - 1} changes in one transaction, told by the status after ${Math.round(took)} ms`,
  );
  await answers(lab, second);
  await answers(lab, fixed);
  for (const family of families) await isSilent(lab, first[family], family);
  // New connections beside them: what comes of those is also what tells that time goes by.
  const beside = { source: wanClient(4, 99), destination: second[4], port: echoPort };
  load.stream([beside], 50);
  const since = clock();
  await load.until('a while of answers', 10_000, () => load.breaks.length > 0 || clock() > since + 3 * period);
  assert.equal(load.breaks, []);
  assert.equal(
    load.attempts.filter(({ reason }) => reason !== undefined),
    [],
  );

  const isOf = (server: string | undefined, { destination, protocol }: { destination: string; protocol: string }) =>
    server === 's1' && both(first).includes(destination) && protocol === 'tcp';
  const had = [...load.held.values()].filter(({ server, options }) => isOf(server, options));
  assert.ok(had.length > 0);
  await scene.control.order('set_server', { service: 'web', server: 's1', state: 'down' });
  await load.until('the end of all that it had', 10_000, () => load.breaks.length >= had.length);
  assert.ok(
    load.breaks.every(({ server, options, reason }) => isOf(server, options) && reason === 'ECONNRESET'),
    'a server that fails loses the connections of the former address, too, and no others',
  );
  await scene.control.order('set_server', { service: 'web', server: 's1', state: 'auto' });
  await load.end();
});

test('an interface that goes down takes its address along, and nothing else', async (scene) => {
  await setAddresses(scene, undefined, second);
  await hasGhosts(scene, []);
  await answers(scene.lab, fixed);
  await setAddresses(scene, first);
  await hasGhosts(scene, both(first));
  await answers(scene.lab, first);
  await setAddresses(scene, undefined, first);
  await hasGhosts(scene, []);
});

test('the name of a device does as well, without anybody on the bus who knows it', async (scene) => {
  const { lab } = scene;
  await lab.router.ip(['link add spare type veth peer name unplugged', 'link set spare up']);
  const followed = configurationOf(lab, { ghost_interface: 'spare' });
  await lab.daemon.reload(followed);
  await hasGhosts(scene, []);
  for (const [before, now] of [
    [undefined, first],
    [first, second],
  ] as const) {
    const change = (verb: string, pair: Pair | undefined) =>
      pair ? both(pair).map((text) => `address ${verb} ${text}/${text.includes(':') ? 128 : 32} dev spare`) : [];
    await lab.router.ip([...change('add', now), ...change('delete', before)]);
    await hasGhosts(scene, both(now));
    await answers(lab, now);
  }
  const told = await lab.daemon.command(['check', lab.daemon.configFile, '--ubus', `${lab.folder}/none`]);
  assert.is(told.status, 0, told.stdout);
  await lab.router.ip(['link delete spare']);
  await hasGhosts(scene, []);
  await answers(lab, fixed);
});

run();
