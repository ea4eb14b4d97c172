import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadConfiguration } from '../../src/config/validate.ts';
import { ghostPlaces, wanClient } from './addresses.ts';
import { answered } from './traffic.ts';
import { httpGet, url } from './http.ts';
import { withLab, type Lab } from './lab.ts';
import { oneipProgram } from './paths.ts';
import { LineProcess, type Outcome } from './process.ts';
import { ServerScript } from './server-programs.ts';
import { setupAddress, untouched, withRouter } from './setup-router.ts';
import { uciSection } from './uci.ts';

const own = setupAddress;
const routed = ghostPlaces.elsewhere[4];

function words({ daemon }: Lab, ...more: string[]): string[] {
  const { configFile, stateFolder, ubusSocket } = daemon;
  return [oneipProgram, 'setup', ...more, '--config', configFile, '--state', stateFolder, '--ubus', ubusSocket];
}

function setUp(lab: Lab, lines: readonly string[], ...more: string[]): Promise<Outcome> {
  return lab.router.attempt(words(lab, ...more), lines.map((line) => `${line}\n`).join(''));
}

function written({ daemon }: Lab): string {
  return readFileSync(daemon.configFile, 'utf8');
}

const firewall = { mark: 0x6f690000, mask: 0xffff0000 };

test('whoever presses Enter only has a service by translation, and sees a page arrive', () =>
  withRouter({ firewall }, untouched, async (lab) => {
    const { status, stdout, stderr } = await setUp(lab, ['', '', '', '', '']);
    assert.is(status, 0, stdout + stderr);
    for (const { address } of lab.servers) assert.ok(stdout.includes(`     ${address[4]}\n`), stdout);
    assert.match(stdout, `wan has ${own}`);
    assert.match(stdout, `request to ${own}:80: status 200`);
    const text = written(lab);
    assert.ok(text.startsWith(untouched), 'what was there is as it was');
    const [web] = loadConfiguration(text, 'oneip').model.services;
    assert.equal([web?.dispatch, web?.ghostInterfaces, web?.sources], ['nat', ['wan'], ['wan', 'lan']]);
    const servers = new Set<string>();
    for (let number = 0; number < 16; number++) {
      const page = await httpGet(lab.wan, wanClient(4, number * 37), url(own));
      assert.is(page.status, 200);
      servers.add(page.server);
    }
    assert.equal([...servers].sort(), ['s1', 's2']);
    const inside = await httpGet(lab.lan, '192.168.1.50', url(own));
    assert.is(inside.status, 200, 'clients of the LAN are served, too');

    const again = await setUp(lab, ['443', '192.168.1.11', '', '', '', 'n']);
    assert.is(again.status, 1);
    assert.match(again.stdout, "There is a service 'web' already. Replace it? [n]");
    assert.match(again.stdout, "config service 'web2'");
    assert.match(again.stderr, 'nothing was written');
    assert.is(written(lab), text);
  }));

test('a firewall that is loaded anew a moment later is waited for', () =>
  withRouter({}, untouched, async (lab) => {
    await lab.router.nft(`table inet late {
      chain forward { type filter hook forward priority filter; meta mark 0x6f690001-0x6f69ffff drop; }
    }`);
    const asked = new LineProcess(lab.router.enter(words(lab, '--yes', '--dispatch', 'nat')));
    const inForce = async (): Promise<void> => {
      const { stdout } = await lab.router.attempt([oneipProgram, 'status', '--ubus', lab.daemon.ubusSocket]);
      if (!stdout.includes('web')) await inForce();
    };
    await inForce();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await lab.router.nft('delete table inet late');
    assert.is(await asked.ended, 0, asked.log.join('\n'));
    assert.not(
      asked.log.some((line) => line.includes('drops')),
      asked.log.join('\n'),
    );
  }));

test('with route the servers are set up by their scripts, and answer clients directly', () =>
  withRouter({ firewall }, untouched, async (lab) => {
    const asked = new LineProcess(lab.router.enter(words(lab)));
    const ready = asked.waitFor((line) => (line.includes('server-script s2 ') ? true : undefined), 30_000);
    for (const line of ['80 7000', 's1=192.168.1.11, s2=192.168.1.12', 'nonsense', routed, 'route', 'y'])
      asked.send(line);
    await ready;
    assert.ok(asked.log.some((line) => line.startsWith("'nonsense' is neither an interface")));
    for (const server of lab.servers) await (await ServerScript.make(lab, server, written(lab), ['sh'])).done('start');
    asked.send('');
    assert.is(await asked.ended, 0, asked.log.join('\n'));
    for (const { name } of lab.servers) {
      assert.ok(asked.log.includes(`request to ${routed}:80 at ${name}: status 200`), asked.log.join('\n'));
    }
    for (const number of [1, 2, 3]) {
      const page = await httpGet(lab.wan, wanClient(4, number * 91), url(routed));
      assert.equal([page.status, page.client], [200, wanClient(4, number * 91)]);
    }
  }));

test('for scripts: options in the place of answers, JSON, and no service is replaced by accident', () =>
  withRouter({}, untouched, async (lab) => {
    const first = await setUp(lab, [], '--yes', '--json', '--port', '80', '--dispatch', 'nat', '--service', 'pages');
    assert.is(first.status, 0, first.stdout + first.stderr);
    const told = JSON.parse(first.stdout) as {
      ok: boolean;
      service: string;
      servers: string[];
      requests: { ghost: string; passed: boolean; reason: string }[];
    };
    assert.equal([told.ok, told.service, told.servers.length], [true, 'pages', 2]);
    assert.equal(
      told.requests.map(({ ghost, reason }) => [ghost, reason]),
      [[own, 'status 200']],
    );
    const text = written(lab);
    const twice = await setUp(lab, [], '--yes', '--service', 'pages');
    assert.is(twice.status, 1);
    assert.match(twice.stderr, "there is a service 'pages' already: --replace takes its place");
    const overlapping = await setUp(lab, [], '--yes', '--service', 'other');
    assert.is(overlapping.status, 1);
    assert.match(overlapping.stderr, "belongs to service 'pages'");
    const wrong = await setUp(lab, [], '--yes', '--port', '99999');
    assert.equal([wrong.status, /'99999' is no port/.test(wrong.stderr)], [2, true]);
    const ended = await setUp(lab, ['80']);
    assert.equal([ended.status, /there was no answer; nothing was written/.test(ended.stderr)], [1, true]);
    assert.is(written(lab), text);

    const replaced = await setUp(lab, [], '--yes', '--replace', '--service', 'pages', '--servers', '192.168.1.12');
    assert.is(replaced.status, 0, replaced.stdout + replaced.stderr);
    assert.not.match(written(lab), '192.168.1.11');
    for (const number of [1, 2, 3, 4]) {
      assert.is((await httpGet(lab.wan, wanClient(4, number * 91), url(own))).server, 's2');
    }
  }));

/** What the init script of OpenWrt does with the daemon that runs, and what it was called with. */
const initScript = ({ daemon, folder }: Lab, reload: string): string => `#!/bin/sh
echo "$1" >> ${folder}/orders
[ "$1" = reload ] || exit 0
${reload === '' ? `exec ${oneipProgram} reload --ubus ${daemon.ubusSocket} --state ${daemon.stateFolder}` : reload}
`;

test('on OpenWrt the service is told, which starts with the next boot, too', () =>
  withRouter({}, untouched, async (lab) => {
    const { configFile, stateFolder, ubusSocket } = lab.daemon;
    const script = join(lab.folder, 'init');
    // A router's /etc, for one command.
    const place = `mount -t tmpfs none /etc && mkdir /etc/config /etc/init.d && mount --bind ${dirname(configFile)} /etc/config`;
    const run = async (reload: string, ...more: string[]): Promise<Outcome> => {
      writeFileSync(script, initScript(lab, reload), { mode: 0o755 });
      const command = [oneipProgram, 'setup', '--yes', ...more, '--state', stateFolder, '--ubus', ubusSocket].join(' ');
      const shell = `${place} && cp -p ${script} /etc/init.d/oneip && exec ${command}`;
      return lab.router.attempt(['unshare', '--mount', 'sh', '-c', shell]);
    };
    const done = await run('');
    assert.is(done.status, 0, done.stdout + done.stderr);
    assert.match(done.stdout, `request to ${own}:80: status 200`);
    assert.is(readFileSync(join(lab.folder, 'orders'), 'utf8'), 'enable\nreload\n');
    assert.ok(lab.daemon.log.includes('oneip: reloaded'));
    const failed = await run('echo no >&2; exit 1', '--replace');
    assert.is(failed.status, 3);
    assert.match(failed.stderr, "/etc/config/oneip is written, but '/etc/init.d/oneip reload' says: no");
  }));

/** A step of the dialogue, as rpcd has it done; what it said. */
async function step(lab: Lab, name: string, input: object): Promise<Record<string, unknown>> {
  const { stdout, stderr } = await lab.router.attempt(words(lab, name), JSON.stringify(input));
  assert.is(stderr, '');
  return JSON.parse(stdout) as Record<string, unknown>;
}

test('step by step, for pages: each is a call, and nothing is written but what was shown', () =>
  withRouter({ firewall }, untouched, async (lab) => {
    const proposed = await step(lab, 'propose', { ubus_rpc_session: '0' });
    assert.equal([proposed['device'], proposed['ghost'], proposed['services']], ['lan', 'wan', []]);
    const places = proposed['places'] as { name: string; addresses: string[] }[];
    assert.equal(places.find(({ name }) => name === 'wan')?.addresses, [own]);
    const found = await step(lab, 'find', { device: 'lan', port: '80', part: 0 });
    const serving = lab.servers.map(({ address }) => ({ address: address[4], answers: true }));
    const client = { address: '192.168.1.50', answers: false };
    assert.equal([found['parts'], found['hosts']], [1, [...serving, client]]);
    assert.equal((await step(lab, 'find', { device: 'lan', port: '80', part: 1 }))['hosts'], []);
    await lab.router.ip(['address add 10.9.0.1/22 dev br-lan']);
    await lab.lan.ip(['address add 10.9.3.9/22 dev eth0']);
    const last = await step(lab, 'find', { device: 'lan', port: '80', part: 4 });
    assert.equal([last['parts'], last['hosts']], [5, [{ address: '10.9.3.9', answers: false }]]);
    await lab.router.ip(['address del 10.9.0.1/22 dev br-lan']);

    assert.equal(await step(lab, 'draft', {}), { question: 'port' });
    const servers = lab.servers.map(({ address }) => address[4]).join(' ');
    const answers = { device: 'lan', port: '80', servers, ghost: 'wan' };
    assert.equal(await step(lab, 'draft', answers), { question: 'dispatch' });
    assert.equal(await step(lab, 'draft', { ...answers, port: '0' }), {
      ...{
        question: 'port',
        problem:
          "'0' is no port; accepted: a port 1–65535, or a range such as 8000-8010; with /udp or /tcp+udp behind it where it is not TCP",
      },
    });
    const whole = { ...answers, dispatch: 'nat' };
    const draft = await step(lab, 'draft', whole);
    assert.equal([draft['ok'], draft['service'], draft['problems']], [true, 'web', []]);
    assert.is(written(lab), untouched);

    const other = await step(lab, 'write', { ...whole, shown: `${String(draft['added'])}#` });
    assert.equal(other, { problem: 'the proposal has become another since it was shown' });
    assert.is(written(lab), untouched);
    assert.equal(await step(lab, 'write', { ...whole, shown: draft['added'] }), { service: 'web' });
    assert.is(written(lab), `${untouched}\n${String(draft['added'])}`);
    const proof = await step(lab, 'prove', { service: 'web' });
    assert.equal(
      [proof['ok'], proof['unasked'], (proof['requests'] as { reason: string }[])[0]?.reason],
      [true, false, 'status 200'],
    );

    const second = await step(lab, 'draft', whole);
    assert.equal([second['existing'], second['service'], second['ok']], ['web', 'web2', false]);
    const text = written(lab);
    assert.equal(await step(lab, 'write', { ...whole, shown: second['added'] }), {
      problem: 'the configuration would have errors',
    });
    assert.is(written(lab), text);
    const replacing = await step(lab, 'draft', { ...whole, replace: true });
    assert.equal([replacing['existing'], replacing['service'], replacing['ok']], ['web', 'web', true]);

    assert.match((await step(lab, 'scripts', { service: 'web' }))['problem'] as string, "no service 'web' has servers");
    assert.equal(await step(lab, 'draft', { port: 80 }), { problem: "'port' is no string" });
    const wrong = await lab.router.attempt(words(lab, 'nothing'), '');
    assert.equal([wrong.status, /there is no step 'nothing'; there is: propose, find/.test(wrong.stderr)], [2, true]);
  }));

test('IPv6 is served where servers are named by such addresses', () =>
  withRouter({}, untouched, async (lab) => {
    const list = lab.servers.map(({ name, address }) => `${name}=${address[6]}`).join(',');
    const { status, stdout, stderr } = await setUp(lab, ['', 'wan', '', ''], '--servers', list, '--device', 'br-lan');
    // netifd has given the interface no IPv6 address.
    assert.is(status, 1, stdout + stderr);
    const outcome = await setUp(lab, [], '--yes', '--replace', '--servers', list, '--ghost', ghostPlaces.router[6]);
    assert.is(outcome.status, 0, outcome.stdout + outcome.stderr);
    assert.match(outcome.stdout, `request to [${ghostPlaces.router[6]}]:80: status 200`);
    assert.is((await httpGet(lab.wan, wanClient(6, 5), url(ghostPlaces.router[6]))).status, 200);
  }));

test('UDP: hosts are shown without being asked, and what is set up serves', () =>
  withRouter({ firewall }, untouched, async (lab) => {
    const servers = lab.servers.map(({ address }) => address[4]).join(' ');
    const { status, stdout, stderr } = await setUp(lab, ['7000/udp', servers, '', '', '']);
    assert.is(status, 0, stdout + stderr);
    assert.match(stdout, 'Hosts on lan, whether they serve or not:\n     192.168.1.11\n');
    assert.match(stdout, 'no request was sent');
    const { services, watchdogs } = loadConfiguration(written(lab), 'oneip').model;
    assert.equal([services[0]?.name, services[0]?.protocols], ['port_7000', ['udp']]);
    assert.equal(
      watchdogs.map(({ check }) => check.type),
      ['ping'],
    );
    const client = await lab.traffic(lab.wan).udp(wanClient(4, 7), own, 7000);
    assert.ok(answered(await client.ask()));
    client.close();
    const silent = await setUp(lab, [], '--yes', '--port', '53/udp');
    assert.match(silent.stderr, 'nothing was found to propose for --servers');
    const found = await step(lab, 'find', { port: '7000/udp' });
    assert.equal(
      [found['asked'], (found['hosts'] as { answers: boolean }[]).some(({ answers }) => answers)],
      [...[undefined, false]],
    );
  }));

test('without a daemon the file is written, and it is said that none runs', () =>
  withLab({ servers: 1, bareServers: true }, async (lab) => {
    const file = join(lab.folder, 'oneip');
    writeFileSync(file, uciSection('service', 'broken', { ghost: 'nonsense' }));
    const run = () => lab.router.attempt([oneipProgram, 'setup', '--yes', '--config', file, '--ubus', `${file}.sock`]);
    const broken = await run();
    assert.is(broken.status, 1);
    assert.match(broken.stderr, "'nonsense' is no address");
    assert.match(broken.stderr, 'nothing was written');
    writeFileSync(file, '');
    const { status, stderr } = await run();
    assert.is(status, 3, stderr);
    assert.match(stderr, 'is written, but no daemon runs');
    const [web] = loadConfiguration(readFileSync(file, 'utf8'), file).model.services;
    assert.equal(web?.ghostInterfaces, ['wan']);
  }));

test.run();
