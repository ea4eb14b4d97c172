import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { families, ghostPlaces, lanHost, wanClient, type Pair } from '../../lab/addresses.ts';
import { httpGet, url } from '../../lab/http.ts';
import type { Namespace } from '../../lab/namespace.ts';
import { ping } from '../../lab/ping.ts';
import { assertSameRouter, type RouterState } from '../../lab/router-state.ts';
import {
  bigDatagram,
  configuration,
  eachOf,
  eventually,
  figure,
  heard,
  Oracle,
  spreadClients,
  whoAnswers,
} from '../../lab/scenario.ts';
import { echoPort, echoRange, killServer, restartServer } from '../../lab/servers.ts';
import type { Conversation } from '../../lab/traffic.ts';
import { uciSection } from '../../lab/uci.ts';
import { guestState } from '../guest-state.ts';
import { startBus } from '../bus.ts';
import { buildImage } from '../image.ts';
import { cards, routerSetup, type MachineLab } from '../machine-lab.ts';
import { stockMachine } from '../machine.ts';
import { dependencies, modulesInUse, modulesOf, packagedModules } from '../modules.ts';
import { machineSuite } from '../suite.ts';
import { START } from '../daemon.ts';

// The lab's main rows, with a virtual machine for the router: Debian's stock kernel, and of its modules only those that come
// with the packages that ours depend on. The guest has no modprobe: what the rules ask for beyond that is refused.

const root = process.env['ONEIP_ROOT'] ?? '.';
const { elsewhere, router: own } = ghostPlaces;
const recipe = readFileSync(join(root, 'openwrt-feed/oneip/Makefile'), 'utf8');
const netfilter = modulesOf(dependencies(recipe, 'oneip'));

interface Scene {
  readonly lab: MachineLab;
  readonly oracle: Oracle;
  /** The router before the daemon's first start. */
  readonly before: RouterState;
}

/** All servers, or those whose names are listed; a watchdog asks them. */
function configured(lab: MachineLab, names = lab.servers.map(({ name }) => name)): string {
  // Long enough for an order, which takes seconds on an emulated processor.
  const options = { source: ['wan', 'br-lan'], idle_timeout: '15s' };
  const members = { ...lab, servers: lab.servers.filter(({ name }) => names.includes(name)) };
  return [
    configuration(members, {
      web: { ghost: [elsewhere[4], elsewhere[6]], options: { ...options, port: ['80', String(echoPort)] } },
      own: {
        ghost: [own[4], own[6]],
        options: { ...options, source: ['wan'], port: `${echoRange.first}-${echoRange.last}` },
      },
    }),
    // The machine may stand still for seconds, in which answers are late.
    uciSection('watchdog', 'alive', { type: 'tcp', interval: '1s', fall: 6 }),
  ].join('');
}

/** Ends the daemon, and resolves when nobody writes to its log any more. */
const STOP = 'kill $(cat /tmp/daemon.pid); read -r line </tmp/end; tail -n 1 /tmp/log';

async function boot() {
  const image = await buildImage({
    name: 'router',
    script: 'router.sh',
    modules: ['virtio_pci', 'virtio_net', 'bridge', ...netfilter],
  });
  return { command: stockMachine(image, [cards.lan, cards.wan]), ready: /guest: a shell follows/, patience: 120_000 };
}

const { test, run } = machineSuite(
  'router',
  { servers: 4, ghosts: [elsewhere[4], elsewhere[6], own[4], own[6]] },
  boot,
  async (lab): Promise<Scene> => {
    const { shell } = lab;
    figure(`Linux ${await shell.run('uname -r')} in the machine`);
    await shell.run(routerSetup(lab));
    await eventually('the LAN', 20_000, async () => (await ping(lab.lan, lanHost[4], '192.168.1.1')) || undefined);
    await startBus(lab);
    const text = configured(lab);
    await shell.write('/etc/config/oneip', text);
    const before = await guestState(shell);
    const began = performance.now();
    await shell.run(START, 120_000);
    figure(`ready ${seconds(began)} s after the start`);
    return { lab, oracle: new Oracle(text), before };
  },
);

function seconds(began: number): string {
  return ((performance.now() - began) / 1000).toFixed(1);
}

/** A client's address of each family whose server is the one that is named, and others whose is not. */
function clientsOf(oracle: Oracle, name: string): { readonly its: string[]; readonly others: string[] } {
  const clients = families.flatMap((family) => spreadClients(family, 40));
  const its = clients.filter((client) => oracle.server('web', client) === name);
  return { its, others: clients.filter((client) => !its.includes(client)) };
}

const ghostFor = (client: string, ghost: Pair = elsewhere) => ghost[client.includes(':') ? 6 : 4];

/** A connection from each client, each of which has spoken with its server. */
async function connect(lab: MachineLab, clients: readonly string[]): Promise<Map<Conversation, string>> {
  const conversations = new Map<Conversation, string>();
  await eachOf(clients, 16, async (client) => {
    const conversation = await lab.traffic(lab.wan).tcp(client, ghostFor(client), echoPort);
    conversations.set(conversation, (await heard(conversation)).server);
  });
  return conversations;
}

/** All of them live, each with the server that it had. */
async function alive(conversations: ReadonlyMap<Conversation, string>): Promise<void> {
  for (const [conversation, server] of conversations) assert.is((await heard(conversation)).server, server);
}

async function newServers(lab: MachineLab, clients: readonly string[]): Promise<string[]> {
  return eachOf(clients, 16, async (client) => {
    return (await whoAnswers(lab, lab.wan, 'tcp', client, ghostFor(client), echoPort)).server;
  });
}

test('TCP and UDP, IPv4 and IPv6: every client reaches the server that simulate names', async ({ lab, oracle }) => {
  const began = performance.now();
  const places: readonly { namespace: Namespace; clients: readonly string[] }[] = [
    { namespace: lab.wan, clients: families.flatMap((family) => spreadClients(family, 60)) },
    { namespace: lab.lan, clients: Object.values(lanHost) },
  ];
  const seen = new Set<string>();
  let count = 0;
  for (const { namespace, clients } of places) {
    await eachOf(clients, 16, async (client) => {
      for (const protocol of ['tcp', 'udp'] as const) {
        const answer = await whoAnswers(lab, namespace, protocol, client, ghostFor(client), echoPort);
        assert.equal([answer.server, answer.client], [oracle.server('web', client), client]);
        seen.add(answer.server);
        count += 1;
      }
    });
  }
  assert.is(seen.size, lab.servers.length);
  const client = wanClient(4, 4711);
  const page = await httpGet(lab.wan, client, url(elsewhere[4]));
  assert.equal([page.status, page.server], [200, oracle.server('web', client)]);
  const simulated = await lab.shell.run(`oneip simulate ${client} --service web --json`);
  assert.is((JSON.parse(simulated) as { server: string }[])[0]?.server, page.server);
  figure(`${count} clients at the server that simulate names, in ${seconds(began)} s`);
});

test("the router's own address is a ghost, too", async ({ lab, oracle }) => {
  for (const client of families.flatMap((family) => spreadClients(family, 12))) {
    for (const protocol of ['tcp', 'udp'] as const) {
      const answer = await whoAnswers(lab, lab.wan, protocol, client, ghostFor(client, own), echoRange.first);
      assert.is(answer.server, oracle.server('own', client));
    }
  }
});

test('fragments take the slow path to the same server', async ({ lab, oracle }) => {
  for (const family of families) {
    const client = wanClient(family, 99);
    const server = await bigDatagram(lab.wan, client, elsewhere[family], echoPort, 3000, { tries: 3 });
    assert.is(server, oracle.server('web', client));
  }
});

test('a drained server keeps its connections and gets no new ones', async ({ lab, oracle }) => {
  const { its, others } = clientsOf(oracle, 's1');
  const conversations = await connect(lab, [...its, ...others.slice(0, 10)]);
  await lab.shell.run('oneip drain s1');
  await alive(conversations);
  assert.not((await newServers(lab, its)).includes('s1'));
  assert.equal(
    await newServers(lab, others),
    others.map((client) => oracle.server('web', client)),
  );
  await alive(conversations);
  for (const conversation of conversations.keys()) conversation.close();
  const began = performance.now();
  await lab.shell.run('oneip drain s1 --wait', 60_000);
  figure(`a drain of ${its.length} connections has ended ${seconds(began)} s after the last of them`);
  await lab.shell.run('oneip auto s1');
  assert.equal(new Set(await newServers(lab, its)), new Set(['s1']));
});

/** Milliseconds: emulated, beside other tests, a change takes seconds. */
const patience = 60_000;

test('a server that dies is found by its watchdog; only its clients move', async ({ lab, oracle }) => {
  const { its, others } = clientsOf(oracle, 's2');
  const conversations = await connect(lab, others.slice(0, 20));
  const victim = lab.programs.find(({ server }) => server.name === 's2');
  const client = its[0];
  assert.ok(victim && client);
  await killServer(victim);
  const served = (name: (server: string) => boolean) => async () => {
    const conversation = await lab.traffic(lab.wan).tcp(client, ghostFor(client), echoPort, 0, 1_000);
    const answer = await conversation.ask(1_000);
    conversation.close();
    return ('server' in answer && name(answer.server)) || undefined;
  };
  const { milliseconds } = await eventually(
    'another server',
    patience,
    served((name) => name !== 's2'),
  );
  figure(`another server answers ${(milliseconds / 1000).toFixed(1)} s after the death`);
  assert.not((await newServers(lab, its)).includes('s2'));
  assert.equal(
    await newServers(lab, others),
    others.map((other) => oracle.server('web', other)),
  );
  await alive(conversations);
  await restartServer(victim);
  const { milliseconds: absence } = await eventually(
    'its return',
    patience,
    served((name) => name === 's2'),
  );
  figure(`it has its clients again ${(absence / 1000).toFixed(1)} s after its start`);
  await alive(conversations);
  for (const conversation of conversations.keys()) conversation.close();
});

test('a reload takes a server out and in again; no connection notices', async ({ lab, oracle }) => {
  const { its, others } = clientsOf(oracle, 's3');
  const conversations = await connect(lab, [...its, ...others.slice(0, 10)]);
  await lab.shell.write('/etc/config/oneip', configured(lab, ['s1', 's2', 's4']));
  await lab.shell.run('oneip reload');
  await alive(conversations);
  assert.not((await newServers(lab, its)).includes('s3'));
  await lab.shell.write('/etc/config/oneip', configured(lab));
  await lab.shell.run('oneip reload');
  await alive(conversations);
  assert.equal(new Set(await newServers(lab, its)), new Set(['s3']));
  for (const conversation of conversations.keys()) conversation.close();
});

test('a killed daemon leaves the kernel at work, and another one takes over', async ({ lab, oracle }) => {
  const { others } = clientsOf(oracle, 's1');
  const conversations = await connect(lab, others.slice(0, 10));
  await lab.shell.run('kill -9 $(cat /tmp/daemon.pid); read -r line </tmp/end');
  await alive(conversations);
  await lab.shell.run(START, 120_000);
  await alive(conversations);
  for (const conversation of conversations.keys()) conversation.close();
});

test('the rules need no kernel module beyond the packages that ours depend on', async ({ lab }) => {
  const used = modulesInUse(await lab.shell.run('cat /proc/modules'));
  const needed = Object.entries(packagedModules).map(([name, modules]) => {
    const found = modules.filter((module) => used.includes(module));
    return `${name}: ${found.join(' ') || 'nothing'}`;
  });
  figure(`modules in use, by package: ${needed.join('; ')}`);
  for (const module of ['nf_tables', 'nft_fwd_netdev', 'nft_hash', 'nft_ct']) assert.ok(used.includes(module), module);
});

test('a daemon that stops leaves the router as it was', async ({ lab, before }) => {
  const { shell } = lab;
  assert.is(await shell.run(STOP), 'oneip: stopped; the router is as it was');
  assertSameRouter(await guestState(shell), before);
  assert.is(await shell.run('nft list ruleset'), '');
});

run();
