import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseArguments } from '../../src/cli/arguments.ts';
import { formatProblem } from '../../src/config/report.ts';
import { loadConfiguration } from '../../src/config/validate.ts';
import { LabBus } from '../lab/bus.ts';
import { httpGet, url } from '../lab/http.ts';
import { withLab, type Lab } from '../lab/lab.ts';
import { oneipProgram } from '../lab/paths.ts';
import { ping } from '../lab/ping.ts';
import type { Outcome } from '../lab/process.ts';

const pages = ['README.md', ...readdirSync('docs').map((name) => `docs/${name}`)].filter((name) =>
  name.endsWith('.md'),
);
const textOf = new Map(pages.map((page) => [page, readFileSync(page, 'utf8')]));

/** Fenced blocks of a page, by the language that stands behind the fence. */
function blocks(page: string, language: string): string[] {
  // Every fence of the page, so that the end of one block is not taken for the beginning of another.
  const all = (textOf.get(page) ?? '').matchAll(/^```(\w*)\n([^]*?)^```$/gm);
  return [...all].flatMap(([, name, text = '']) => (name === language ? [text] : []));
}

/** Lines of a page's shell blocks that begin with a program's name, without comments. */
function shellLines(page: string, program: string): string[] {
  const lines = blocks(page, 'sh').flatMap((text) => text.split('\n'));
  return lines.filter((line) => line.startsWith(`${program} `)).map((line) => line.replace(/ +#.*/, ''));
}

test('every command line in the pages is understood', () => {
  let count = 0;
  for (const [page, text] of textOf) {
    const inline = [...text.matchAll(/`(oneip [^`]+)`/g)].map(([, line = '']) => line);
    for (const line of [...inline, ...shellLines(page, 'oneip')]) {
      const words = (line.match(/'[^']*'|[^ ']+/g) ?? []).map((word) => word.replaceAll("'", ''));
      const invocation = parseArguments(words.slice(1));
      assert.ok(typeof invocation === 'object', `${page}: ${line}: ${JSON.stringify(invocation)}`);
      count++;
    }
  }
  assert.ok(count >= 12, `${count} found`);
});

test('configurations that the pages show are right', () => {
  let count = 0;
  for (const page of pages) {
    for (const text of blocks(page, '').filter((block) => block.startsWith('config '))) {
      const problems = loadConfiguration(text, page).problems.filter(({ message }) => message !== 'has no server');
      assert.equal(problems.map(formatProblem), []);
      count++;
    }
  }
  assert.ok(count >= 3, `${count} found`);
});

/** Runs a line of a page in the router, `oneip` being the program under test with the lab's files. */
function inRouter({ daemon, router }: Lab, line: string): Promise<Outcome> {
  const paths = `--config '${daemon.configFile}' --state '${daemon.stateFolder}' --ubus '${daemon.ubusSocket}'`;
  return router.attempt(['sh', '-c', `oneip() { '${oneipProgram}' "$@" ${paths}; }\n${line}`]);
}

test('the README works as written: configuration, servers, commands, and a client that gets the server foretold', () =>
  withLab({ servers: 2, ghosts: [] }, async (lab) => {
    const { daemon, router, wan, servers } = lab;
    const [configuration] = blocks('README.md', '').filter((text) => text.startsWith('config '));
    assert.ok(configuration);
    daemon.configure(configuration);
    for (const line of [...shellLines('README.md', 'sysctl'), ...shellLines('README.md', 'ip')]) {
      for (const { namespace } of servers) await namespace.run(['sh', '-ec', line]);
    }

    const commands = shellLines('README.md', 'oneip');
    const beforeStart = commands.slice(0, commands.indexOf('oneip daemon'));
    assert.equal(beforeStart, ['oneip check', 'oneip plan']);
    const outcomes = await Promise.all(beforeStart.map((line) => inRouter(lab, line)));
    assert.equal(
      outcomes.map(({ status, stderr }) => [status, stderr]),
      [
        [0, ''],
        [0, ''],
      ],
    );
    assert.is(outcomes[0]?.stdout, 'no problems\n');
    const bus = await LabBus.start(daemon.ubusSocket, {});
    await daemon.start(configuration);
    const [shownStatus, drain, simulation, doctor, ...others] = commands.slice(beforeStart.length + 1);
    assert.equal(others, []);
    assert.ok(shownStatus && drain && simulation && doctor);
    const seen = await inRouter(lab, shownStatus);
    assert.is(seen.status, 0, seen.stderr);
    assert.match(seen.stdout, /^web .*198\.51\.100\.1[^]*web1 [^]* up [^]*web2 [^]* up /);
    // Nobody waits five minutes in a test for a server that has had no connection.
    const drained = await inRouter(lab, `${drain} --timeout 1s`);
    assert.is(drained.status, 0, drained.stderr);
    assert.match((await inRouter(lab, shownStatus)).stdout, /web1 .* drained /);
    const { status, stdout } = await inRouter(lab, simulation);
    assert.is(status, 0);
    const examined = await inRouter(lab, doctor);
    assert.equal([examined.status, examined.stdout], [0, 'router: nothing is wrong\n']);
    const [, client = '', server] = /^(\S+) → web: (\S+) \(slot \d+\)/.exec(stdout) ?? [];

    await wan.ip([`address add ${client}/24 dev eth0`]);
    const answer = await httpGet(wan, client, url('198.51.100.1'));
    assert.is(answer.server.replace('s', 'web'), server);
    assert.is(answer.client, client);

    // What the page on operating shows, beside a daemon that runs.
    const [next] = [join(lab.folder, 'oneip.new')];
    const third = "\nconfig server 'web3'\n\tlist service 'web'\n\toption address '192.168.1.13'\n";
    writeFileSync(next, configuration + third);
    const shown = ['oneip', 'nft', 'ip'].flatMap((program) => shellLines('docs/operating.md', program));
    assert.ok(shown.length >= 9, shown.join('\n'));
    for (const line of shown.filter((text) => text !== 'oneip daemon' && !text.includes('2001:db8'))) {
      const outcome = await inRouter(lab, line.replaceAll('/tmp/oneip.new', next));
      assert.equal([outcome.status, outcome.stderr], [0, ''], line);
      assert.ok(outcome.stdout !== '', line);
    }
    const firewall = blocks('docs/operating.md', '').find((text) => text.startsWith('meta mark')) ?? '';
    const rule = firewall.replace(/ *#.*/, '').trim();
    const ruleset = [
      'add table inet firewall',
      'add chain inet firewall forward { type filter hook forward priority 0; policy drop; }',
      'add rule inet firewall forward iifname "br-lan" accept',
    ];
    await router.nft(`${ruleset.join('\n')}\n`);
    assert.not(
      await ping(wan, client, '198.51.100.1', { size: 3000 }),
      'the slow path is at the mercy of the firewall',
    );
    await router.nft(`add rule inet firewall forward ${rule}\n`);
    assert.is((await httpGet(wan, client, url('198.51.100.1'))).status, 200);
    assert.ok(await ping(wan, client, '198.51.100.1', { size: 3000 }), 'fragments take the slow path');
    await bus.stop();
  }));

test.run();
