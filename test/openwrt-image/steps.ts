import * as assert from 'uvu/assert';
import { url } from '../lab/http.ts';
import { routerAddresses } from '../lab/addresses.ts';
import { differences } from '../lab/router-state.ts';
import { eventually, figure } from '../lab/scenario.ts';
import { killServer, restartServer } from '../lab/servers.ts';
import type { Part } from './guest.ts';
import { offerUpgrade } from './packages.ts';
import {
  assertAlive,
  assertDispatched,
  clientsOf,
  close,
  connect,
  sectionsOf,
  serversOf,
  untilServer,
  wholeState,
  type Scene,
} from './scene.ts';

/** One thing that is done with a guest, and what has to come of it. */
export interface Step {
  readonly title: string;
  /** What the guest must have for it. */
  readonly needs: readonly Part[];
  run(scene: Scene): Promise<void>;
}

/** Where the guest has its packages. */
const FOLDER = '/tmp/oneip-packages';

/** Has the guest fetch files from a server's folder into one of its own. */
export async function fetchFiles(
  { lab, shell }: Pick<Scene, 'lab' | 'shell'>,
  files: readonly string[],
  folder = FOLDER,
) {
  const [first] = lab.servers;
  assert.ok(first);
  await shell.run(`rm -rf ${folder}; mkdir -p ${folder}`);
  for (const file of files) {
    await shell.run(`wget -q -O ${folder}/${file} ${url(first.address[4], `/packages/${file}`)}`, 120_000);
  }
}

const daemonId = async ({ shell }: Scene) =>
  /"pid": (\d+)/.exec(await shell.run(`ubus call service list '{"name":"oneip"}'`))?.[1] ?? '';

/** All steps, in their order: later ones find what earlier ones have left. `files`: names of the packages. */
export function stepsWith(files: readonly string[]): Step[] {
  return [
    {
      title: 'the packages install',
      needs: [],
      run: async (scene) => {
        await fetchFiles(scene, files);
        await scene.guest.install(FOLDER);
        assert.match(await scene.shell.run('oneip --version'), /\d+\.\d+\.\d+/);
        assert.is((await scene.shell.attempt('[ -x /etc/init.d/oneip ] && [ -e /etc/config/oneip ]')).status, 0);
      },
    },
    {
      title: 'it is configured, and every client reaches the server that simulate names',
      needs: [],
      run: async (scene) => {
        await scene.guest.configure(sectionsOf(scene.lab));
        await assertDispatched(scene, { udp: true });
      },
    },
    {
      title: 'procd has started it, and starts it again when it is killed; connections live',
      needs: ['procd', 'ubus'],
      run: async (scene) => {
        assert.is((await scene.shell.attempt('/etc/init.d/oneip enabled')).status, 0);
        const { its, others } = clientsOf(scene.oracle, 's1');
        const conversations = await connect(scene, [...its, ...others]);
        const before = await daemonId(scene);
        assert.match(before, /^\d+$/);
        await scene.shell.run(`kill -9 ${before}`);
        await assertAlive(conversations);
        await eventually('another process', 60_000, async () => {
          const now = await daemonId(scene);
          return (now !== '' && now !== before) || undefined;
        });
        await scene.shell.run('ubus -t 60 wait_for oneip', 90_000);
        await assertAlive(conversations);
        close(conversations);
      },
    },
    {
      title: 'failover by ubus: its clients move, the others stay',
      needs: ['ubus'],
      run: async (scene) => {
        const { its, others } = clientsOf(scene.oracle, 's1');
        const conversations = await connect(scene, others);
        const order = (state: string) =>
          scene.shell.run(`ubus call oneip set_server '{"server":"s1","state":"${state}"}'`, 60_000);
        await order('down');
        assert.not((await serversOf(scene, its)).includes('s1'));
        await assertAlive(conversations);
        await order('auto');
        await assertDispatched(scene);
        await assertAlive(conversations);
        const kept = await connect(scene, its);
        await order('drain');
        assert.not((await serversOf(scene, its)).includes('s1'));
        await assertAlive(kept);
        await order('auto');
        await assertAlive(kept);
        close(conversations);
        close(kept);
        const status = JSON.parse(await scene.shell.run('ubus call oneip status')) as { services: object };
        assert.equal(Object.keys(status.services), ['web']);
      },
    },
    {
      title: 'a server that dies is found by its watchdog; only its clients move',
      needs: [],
      run: async (scene) => {
        const { its, others } = clientsOf(scene.oracle, 's2');
        const [client] = its;
        const victim = scene.lab.programs.find(({ server }) => server.name === 's2');
        assert.ok(victim && client);
        const conversations = await connect(scene, others);
        await killServer(victim);
        const milliseconds = await untilServer(scene, client, (server) => server !== 's2');
        figure(`another server answers ${(milliseconds / 1000).toFixed(1)} s after the death`);
        assert.not((await serversOf(scene, its)).includes('s2'));
        await assertAlive(conversations);
        await restartServer(victim);
        await untilServer(scene, client, (server) => server === 's2');
        await assertAlive(conversations);
        close(conversations);
      },
    },
    {
      title: 'the firewall is reloaded and restarted; connections live',
      needs: ['fw4', 'procd'],
      run: async (scene) => {
        const { its, others } = clientsOf(scene.oracle, 's3');
        const conversations = await connect(scene, [...its, ...others]);
        for (const action of ['reload', 'restart']) {
          await scene.shell.run(`/etc/init.d/firewall ${action}`, 120_000);
          await assertAlive(conversations);
          await assertDispatched(scene);
        }
        close(conversations);
        assert.match(await scene.shell.run('fw4 print'), /oneip/i, 'fw4 has what the service publishes');
      },
    },
    { title: 'LuCI asks and commands by JSON-RPC', needs: ['http', 'ubus'], run: driveRpc },
    { title: 'LuCI has its pages', needs: ['http', 'luci'], run: openPages },
    {
      title: 'sysupgrade would keep the configuration',
      needs: ['sysupgrade'],
      run: async ({ shell }) => assert.match(await shell.run('sysupgrade -l', 60_000), /^\/etc\/config\/oneip$/m),
    },
    {
      title: 'an upgrade keeps the configuration; connections live',
      needs: ['packages', 'uci', 'ubus'],
      run: async (scene) => {
        const { its, others } = clientsOf(scene.oracle, 's1');
        const conversations = await connect(scene, [...its, ...others]);
        const settings = await scene.shell.run('uci show oneip');
        const upgrades = offerUpgrade(scene.lab.programs);
        assert.ok(upgrades.length > 0, 'for apk, later releases come from the folder `upgrade` of OPENWRT_PACKAGES');
        await fetchFiles(scene, upgrades, '/tmp/oneip-upgrade');
        await scene.guest.install('/tmp/oneip-upgrade');
        await scene.shell.run('ubus -t 60 wait_for oneip', 90_000);
        assert.is(await scene.shell.run('uci show oneip'), settings);
        await assertAlive(conversations);
        await assertDispatched(scene);
        close(conversations);
      },
    },
    {
      title: 'what is removed leaves the guest as it was',
      needs: [],
      run: async (scene) => {
        await scene.guest.remove();
        await scene.shell.run('rm -rf /tmp/oneip-packages /tmp/oneip-upgrade');
        // Packages go at once; the daemon, which has been told to end, puts everything back meanwhile.
        let left: string[] = [];
        await eventually('nothing is left', 60_000, async () => {
          left = differences(await wholeState(scene.shell), scene.before);
          return left.length === 0 || undefined;
        }).catch(() => assert.equal(left, []));
      },
    },
  ];
}

/** A password for root, as the first visit of LuCI asks for one. */
const PASSWORD = 'correct horse';

const site = `http://${routerAddresses.lan[4]}`;

/** A call as LuCI's scripts in a browser make them. */
async function call({ lab }: Scene, session: string, object: string, method: string, args: object): Promise<unknown> {
  const request = { jsonrpc: '2.0', id: 1, method: 'call', params: [session, object, method, args] };
  return JSON.parse(
    await lab.lan.run(['curl', '-sS', '-m', '60', '--json', JSON.stringify(request), `${site}/ubus`]),
  ) as unknown;
}

const nobody = '0'.repeat(32);

/** The session of a root who has signed in. */
async function signIn(scene: Scene): Promise<string> {
  const answer = await call(scene, nobody, 'session', 'login', { username: 'root', password: PASSWORD });
  const { result } = answer as { result: [number, { ubus_rpc_session: string }?] };
  assert.ok(result[1], `login: ${JSON.stringify(answer)}`);
  return result[1].ubus_rpc_session;
}

async function driveRpc(scene: Scene): Promise<void> {
  await scene.shell.run(`printf '%s\\n%s\\n' '${PASSWORD}' '${PASSWORD}' | passwd root`);
  // BusyBox keeps what was there before.
  await scene.shell.run('rm -f /etc/passwd- /etc/shadow-');
  const refused = (await call(scene, nobody, 'oneip', 'status', {})) as { error?: { code: number } };
  assert.is(refused.error?.code, -32002, 'access denied without a session');

  const session = await signIn(scene);
  const status = (await call(scene, session, 'oneip', 'status', {})) as { result: [number, { services: object }] };
  assert.is(status.result[0], 0);
  assert.equal(Object.keys(status.result[1].services), ['web']);

  const { its } = clientsOf(scene.oracle, 's3');
  const order = async (state: string) => {
    const answer = await call(scene, session, 'oneip', 'set_server', { server: 's3', state });
    assert.is((answer as { result: [number] }).result[0], 0);
  };
  await order('down');
  assert.not((await serversOf(scene, its)).includes('s3'));
  await order('auto');
  await assertDispatched(scene);
}

async function openPages(scene: Scene): Promise<void> {
  const page = async (path: string, ...more: string[]) =>
    scene.lab.lan.run(['curl', '-sS', '-m', '120', '-w', '\n%{http_code}', ...more, `${site}${path}`]);
  for (const file of ['view/oneip/status.js', 'view/oneip/config.js', 'oneip.js']) {
    assert.match(await page(`/luci-static/resources/${file}`), /'require [^]*\n200$/);
  }
  // Whoever is signed in gets the page that loads the view.
  const session = await signIn(scene);
  const signed = ['-b', `sysauth_http=${session}; sysauth=${session}`];
  assert.match(await page('/cgi-bin/luci/admin/services/oneip/status', ...signed), /oneip\/status[^]*\n200$/);
}
