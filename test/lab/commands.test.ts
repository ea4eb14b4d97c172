import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { wanClient } from './addresses.ts';
import { ChangeMonitor } from './change-monitor.ts';
import { withLab, type Lab } from './lab.ts';
import { oneipProgram } from './paths.ts';
import { attempt, run, type Outcome } from './process.ts';
import { assertSameRouter, routerState } from './router-state.ts';
import { Oracle } from './scenario.ts';
import { webService } from './web-service.ts';

/** Runs a subcommand in the router's namespace against the lab's daemon, or what would be there. */
function command({ daemon }: Lab, ...words: string[]): Promise<Outcome> {
  return daemon.command([...words, '--state', daemon.stateFolder, '--ubus', daemon.ubusSocket]);
}

/** Writes a configuration that nobody has loaded; returns its path. */
function file({ folder }: Lab, text: string): string {
  const path = join(folder, 'oneip.new');
  writeFileSync(path, text);
  return path;
}

const mistakes = `config service 'web'
	list ghost '192.0.2.80'
	list port '99999'
	list source 'wan'

config server 's1'
	list service 'web'
	option address '192.168.1.11'
	option adress6 'fd00:1::11'
`;

test('check: every problem with file and line, exit status 1 on errors, 0 on warnings', () =>
  withLab({ servers: 2 }, async (lab) => {
    const before = await routerState(lab.router);
    const right = await command(lab, 'check', file(lab, webService(lab)));
    assert.equal(right, { status: 0, stdout: 'no problems\n', stderr: '' });

    const path = file(lab, mistakes);
    const wrong = await command(lab, 'check', path);
    assert.is(wrong.status, 1);
    const [first, second, last] = wrong.stdout.split('\n');
    assert.ok(first?.startsWith(`${path}:3: error: service 'web': option 'port': '99999' is no port; accepted: `));
    assert.ok(
      second?.startsWith(`${path}:9: warning: server 's1': option 'adress6' is unknown and ignored; did you mean`),
    );
    assert.is(last, '1 error, 1 warning');
    assert.is((await command(lab, 'check', '--config', path)).stdout, wrong.stdout, 'named by the option');

    const json = await command(lab, 'check', '--json', path);
    assert.is(json.status, 1);
    const { ok, problems } = JSON.parse(json.stdout) as { ok: boolean; problems: Record<string, unknown>[] };
    assert.not(ok);
    assert.equal(
      problems.map(({ severity, line, section, option }) => [severity, line, section, option]),
      [
        ['error', 3, "service 'web'", 'port'],
        ['warning', 9, "server 's1'", 'adress6'],
      ],
    );
    const absent = await command(lab, 'check', file(lab, webService(lab, { service: { source: ['ppp9'] } })));
    assert.is(absent.status, 0);
    assert.match(absent.stdout, /:\d+: warning: service 'web': option 'source': 'ppp9' is neither .*\n1 warning\n$/);

    const missing = await command(lab, 'check', '/nowhere/oneip');
    assert.equal(missing, {
      status: 1,
      stdout: '',
      stderr: 'oneip: cannot read /nowhere/oneip: No such file or directory\n',
    });
    const folder = await command(lab, 'check', lab.folder);
    assert.is(folder.status, 1);
    assert.match(folder.stderr, /^oneip: cannot read \S+: Is a directory\n$/);
    assertSameRouter(await routerState(lab.router), before);
    assert.not(existsSync(lab.daemon.stateFolder));
  }));

test('plan: shows what the daemon then does, and does nothing', () =>
  withLab({ servers: 3 }, async (lab) => {
    const { daemon, router } = lab;
    const two = webService(lab, { servers: lab.servers.slice(0, 2) });
    const monitor = await ChangeMonitor.start(router);
    const quietly = async (...words: string[]): Promise<Outcome> => {
      let outcome: Outcome | undefined;
      const { nftables, network } = await monitor.during(async () => {
        outcome = await command(lab, 'plan', ...words);
      });
      assert.equal([nftables, network.filter((line) => !line.startsWith('[NEIGH]'))], [[], []]);
      assert.ok(outcome);
      return outcome;
    };
    const loads = async (json: string): Promise<void> => {
      const { transaction } = JSON.parse(json) as { transaction: unknown };
      const path = join(lab.folder, 'transaction.json');
      writeFileSync(path, JSON.stringify(transaction));
      const outcome = await router.attempt(['nft', '-c', '-j', '-f', path]);
      assert.is(outcome.status, 0, outcome.stderr);
    };

    const first = await quietly(file(lab, two));
    assert.is(first.status, 0);
    assert.match(first.stdout, /^nftables\n {2}\+ table inet oneip\n/);
    assert.match(first.stdout, /\n {2}\+ netdev map web\/slot: 4096 slots: s[12] 20\d\d, s[12] 20\d\d\n/);
    assert.match(first.stdout, /\nnetwork\n(.*\n)* {2}ip rule add pref 32768 fwmark 0x6f690001 lookup 28417\n/);
    await loads((await quietly('--json', file(lab, two))).stdout);
    assert.not(existsSync(daemon.stateFolder));

    await daemon.start(two);
    assert.is((await quietly('--config', daemon.configFile)).stdout, 'nothing changes\n');
    const none = JSON.parse((await quietly('--json', file(lab, two))).stdout) as unknown;
    assert.equal(none, { summary: { nftables: [], network: [] }, transaction: null });

    const next = await quietly(file(lab, webService(lab)));
    assert.match(next.stdout, /\n {2}~ netdev map web\/slot: 1\d\d\d slots move: .*→ s3 \d+/);
    assert.not.match(next.stdout, /table (inet|netdev)/);
    await loads((await quietly('--json', file(lab, webService(lab)))).stdout);
    const announced = next.stdout.split('\n').filter((line) => /^ {2}ip/.test(line));
    const { network } = await monitor.during(() => daemon.reload(webService(lab)));
    assert.is(
      network.filter((line) => /^\[(ROUTE|RULE)\]/.test(line)).length,
      announced.length - 2,
      'and two neighbours',
    );
    assert.is((await quietly('--config', daemon.configFile)).stdout, 'nothing changes\n');

    const refused = await quietly(file(lab, mistakes));
    assert.is(refused.status, 1);
    assert.match(refused.stderr, /has errors; the daemon would refuse it and go on as it is\n$/);
    assert.is(refused.stdout, '');
    await monitor.stop();
  }));

test('simulate: by what is in force, else by the configuration', () =>
  withLab({ servers: 3 }, async (lab) => {
    const { daemon } = lab;
    const text = webService(lab);
    const oracle = new Oracle(text);
    const path = file(lab, text);
    for (const client of [wanClient(4, 7), wanClient(6, 8)]) {
      const { status, stdout } = await command(lab, 'simulate', client, '--config', path);
      assert.is(status, 0);
      const server = oracle.server('web', client);
      assert.match(
        stdout,
        new RegExp(`^${client} → web: ${server} \\(slot \\d+\\)\n(  .+\n)+  slot \\d+ belongs to ${server}\n`),
      );
    }
    await daemon.start(webService(lab, { servers: lab.servers.slice(0, 1) }));
    assert.match((await command(lab, 'simulate', wanClient(4, 7))).stdout, /→ web: s1 \(slot/);
    const json = JSON.parse((await command(lab, 'simulate', wanClient(4, 7), '--json')).stdout) as Record<
      string,
      unknown
    >[];
    assert.equal(
      json.map(({ service, server, slots }) => [service, server, slots]),
      [['web', 's1', 4096]],
    );
    assert.is((await command(lab, 'simulate', wanClient(4, 7), '--service', 'web')).status, 0);
    const unknown = await command(lab, 'simulate', wanClient(4, 7), '--service', 'mail');
    assert.equal(unknown, { status: 1, stdout: '', stderr: "oneip: no service 'mail'; there is: web\n" });
    const client = await command(lab, 'simulate', 'somebody');
    assert.is(client.status, 2);
    assert.match(client.stderr, /^oneip: 'somebody' is no client; accepted: .+\n$/);
    assert.is((await command(lab, 'simulate', wanClient(4, 7), '--port', '99999')).status, 2);

    const byPort = file(lab, webService(lab, { service: { hash: 'source_port' } }));
    const ports = await command(lab, 'simulate', `${wanClient(4, 7)}:40000`, '--config', byPort, '--port', '7000');
    const server = new Oracle(readFileSync(byPort, 'utf8')).server('web', wanClient(4, 7), {
      client: 40_000,
      service: 7000,
    });
    assert.match(ports.stdout, new RegExp(`→ web: ${server} \\(slot`));
  }));

test('cleanup: nothing to do is fine; not while a daemon runs', () =>
  withLab({ servers: 1 }, async (lab) => {
    const { daemon, router } = lab;
    const before = await routerState(router);
    const monitor = await ChangeMonitor.start(router);
    const { nftables, network } = await monitor.during(async () => {
      assert.equal(await command(lab, 'cleanup'), { status: 0, stdout: '', stderr: '' });
    });
    assert.equal([nftables, network], [[], []]);
    await monitor.stop();
    assert.not(existsSync(daemon.stateFolder));

    await daemon.start(webService(lab));
    const running = await routerState(router);
    const refused = await command(lab, 'cleanup');
    assert.is(refused.status, 1);
    assert.match(refused.stderr, /^oneip: a daemon runs with \S+; stop it, and it cleans up itself\n$/);
    assertSameRouter(await routerState(router), running);
    await daemon.crash();
    const done = await command(lab, 'cleanup');
    assert.is(done.status, 0);
    assert.match(done.stdout, /^- table inet oneip\n- table netdev oneip\n/);
    assertSameRouter(await routerState(router), before);
  }));

test('help and version; wrong usage is one sentence on standard error, exit status 2', async () => {
  const help = await attempt([oneipProgram, '--help']);
  assert.is(help.status, 0);
  for (const name of [
    'daemon',
    'check [FILE]',
    'plan [FILE]',
    'simulate CLIENT[:PORT]',
    'cleanup',
    '--config FILE',
    '--json',
  ]) {
    assert.ok(help.stdout.includes(`  oneip ${name} `) || help.stdout.includes(`  ${name} `), name);
  }
  assert.equal(await attempt([oneipProgram, '-h']), help);
  const one = await attempt([oneipProgram, 'plan', '--help']);
  assert.ok(one.stdout.includes('oneip plan [FILE]') && !one.stdout.includes('oneip simulate'));
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  assert.equal(await attempt([oneipProgram, '--version']), { status: 0, stdout: `oneip ${version}\n`, stderr: '' });

  for (const words of [
    [],
    ['dispatch'],
    ['check', '--colour'],
    ['check', '-x'],
    ['check', 'one', 'two'],
    ['simulate'],
    ['plan', '--config'],
    ['plan', '--json=yes'],
    ['daemon', 'now'],
  ]) {
    const { status, stdout, stderr } = await attempt([oneipProgram, ...words]);
    assert.equal([status, stdout], [2, ''], words.join(' '));
    assert.match(stderr, /^oneip: [^\n]+; 'oneip --help' shows what there is\n$/);
  }
});

test('a reader that goes away is no error; a full disk is', () =>
  withLab({ servers: 3 }, async (lab) => {
    const path = file(lab, webService(lab));
    const pipeline = '"$0" plan --json "$1" --state "$2" | head -c 1000 >/dev/null; exec "$0" --version >/dev/full';
    const status = ['bash', '-c', `set -o pipefail; ${pipeline.replace('; exec', '; echo ${PIPESTATUS[0]}; exec')}`];
    const { stdout, stderr, ...rest } = await lab.router.attempt([
      ...status,
      oneipProgram,
      path,
      lab.daemon.stateFolder,
    ]);
    assert.is(stdout, '0\n');
    assert.is(rest.status, 1);
    assert.match(stderr, /^oneip: .*No space left on device\n$/);
  }));

test('runs from any directory and through symbolic links', () =>
  withLab({ servers: 1 }, async ({ folder }) => {
    const [first, second] = [join(folder, 'first'), join(folder, 'second')];
    symlinkSync(oneipProgram, first);
    symlinkSync('first', second);
    assert.is(readlinkSync(second), 'first');
    for (const words of [[oneipProgram], [second], ['./second']]) {
      const outcome = await attempt(['sh', '-c', 'cd "$0" && exec "$@"', folder, ...words, '--version']);
      assert.match(outcome.stdout, /^oneip \d/);
      assert.is(outcome.status, 0);
    }
    assert.match((await attempt(['sh', '-c', 'cd / && exec "$0" --version', oneipProgram])).stdout, /^oneip \d/);
  }));

test('make install: a root file tree that runs, and keeps a configuration that is there', () =>
  withLab({ servers: 1 }, async ({ folder }) => {
    const root = join(folder, 'root');
    await run(['make', '-s', 'install', `DESTDIR=${root}`]);
    const files = (await run(['find', root, '-type', 'f,l'])).trim().split('\n');
    const ours = (await run(['find', 'files', '-type', 'f'])).trim().split('\n');
    assert.ok(ours.includes('files/etc/init.d/oneip'));
    const parts = readdirSync('build/lib/oneip').filter((name) => name.endsWith('.js'));
    assert.equal(
      files.map((path) => path.slice(root.length)).sort(),
      [
        ...ours.map((path) => path.slice('files'.length)),
        ...parts.map((name) => `/usr/lib/oneip/${name}`),
        ...['/usr/bin/oneip', '/usr/bin/oneip-runtime'],
      ].sort(),
    );
    const [config, script, runtime] = ['etc/config/oneip', 'usr/bin/oneip', 'usr/bin/oneip-runtime'].map((path) =>
      join(root, path),
    );
    assert.ok(config && script && runtime);
    assert.is(statSync(config).mode & 0o777, 0o600);
    assert.is(statSync(script).mode & 0o777, 0o755);
    assert.ok(statSync(runtime).size <= 1_000_000, `${statSync(runtime).size} bytes`);
    assert.ok(readFileSync(script, 'utf8').startsWith('#!/usr/bin/oneip-runtime\n'));
    const checked = await attempt([runtime, script, 'check', config, '--state', root, '--ubus', join(root, 'none')]);
    assert.equal(checked, { status: 0, stdout: 'no problems\n', stderr: '' });
    mkdirSync(join(root, 'etc/config'), { recursive: true });
    writeFileSync(config, '# mine\n');
    await run(['make', '-s', 'install', `DESTDIR=${root}`]);
    assert.is(readFileSync(config, 'utf8'), '# mine\n');
  }));

test.run();
