import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { Check, HttpCheck } from '../../src/config/model.ts';
import type { ProbeResult } from '../../src/watchdog/prober.ts';
import { families, ghostPlaces, wanClient } from './addresses.ts';
import type { Lab } from './lab.ts';
import type { ProbeRequest, TargetText } from './probe.ts';
import { ProbeProgram, targetOf } from './probe.ts';
import { configuration, figure, heard } from './scenario.ts';
import { echoPort } from './servers.ts';
import { labSuite } from './suite.ts';
import { ghostLine, type Server } from './topology.ts';

const ghost = ghostPlaces.elsewhere;
/** Nobody listens on it. */
const closedPort = 7600;
/** Milliseconds; more than a busy machine takes. */
const patience = 2000;
/** Milliseconds for what is expected not to answer. */
const short = 300;

let program: ProbeProgram;

const { test, run } = labSuite('probes', {}, async (lab) => {
  program = await ProbeProgram.build(lab.router, lab.folder);
  return configuration(lab, { web: { options: { port: [80, echoPort, '7100-7103'] } } });
});

const http = (more: Partial<HttpCheck> = {}): HttpCheck => ({
  type: 'http',
  path: '/',
  status: [{ first: 200, last: 299 }],
  ...more,
});

function serverOf({ servers }: Lab, number: number): Server {
  const server = servers[number - 1];
  assert.ok(server);
  return server;
}

/** The same question for both families. */
function both(
  lab: Lab,
  server: Server,
  check: Check,
  timeout = patience,
  more: Partial<TargetText> = {},
): ProbeRequest[] {
  return families.map((family) => ({ check, timeout, target: targetOf(lab, server, family, { port: 80, ...more }) }));
}

const reasons = (results: readonly ProbeResult[]) => results.map(({ reason }) => reason);

/** Asserts what becomes of checks of a server, over IPv4 and IPv6. */
async function expect(
  lab: Lab,
  server: Server,
  expected: readonly (readonly [Check, boolean, string])[],
  timeout = patience,
) {
  const requests = expected.flatMap(([check]) => both(lab, server, check, timeout));
  const results = await program.ask(...requests);
  const found = results.map(({ passed, reason }) => ({ passed, reason }));
  assert.equal(
    found,
    expected.flatMap(([, passed, reason]) => families.map(() => ({ passed, reason }))),
  );
  return results;
}

function script(lab: Lab, name: string, ...lines: string[]): Check {
  const path = join(lab.folder, name);
  writeFileSync(path, `#!/bin/sh\n${lines.join('\n')}\n`);
  chmodSync(path, 0o755);
  return { type: 'script', path };
}

test('every type passes, for each server by its own way', async ({ lab }) => {
  for (const server of lab.servers) {
    const mine = http({ header: `x-server: ${server.name.toUpperCase()}`, body: `${server.name}\n` });
    const results = await expect(lab, server, [
      [{ type: 'ping' }, true, 'echo reply'],
      [{ type: 'tcp' }, true, 'connected'],
      [{ type: 'tcp', port: echoPort }, true, 'connected'],
      [mine, true, 'status 200'],
    ]);
    for (const { latency } of results) assert.ok(latency !== undefined && latency > 0 && latency < patience);
    const [arp, solicitation] = await program.ask(...both(lab, server, { type: 'arp' }));
    assert.equal([arp?.passed, arp?.reason], [true, 'ARP reply']);
    assert.equal([solicitation?.passed, solicitation?.reason], [true, 'neighbour advertisement']);
  }
});

test('what a server answers may be wrong', async ({ lab }) => {
  await expect(lab, serverOf(lab, 1), [
    [http({ path: '/nothing' }), false, 'status 404'],
    [http({ path: '/nothing', status: [{ first: 404, last: 404 }] }), true, 'status 404'],
    [http({ header: 'X-Server: s2' }), false, "status 200, header is not 'X-Server: s2'"],
    [http({ header: 'X-Nothing: s1' }), false, "status 200, header is not 'X-Nothing: s1'"],
    [http({ body: 's2' }), false, "status 200, body without 's2'"],
    // Digits of lines in the first 64 KiB of 2 MB, and of those behind.
    [http({ path: '/download', body: '000006000' }), true, 'status 200'],
    [http({ path: '/download', body: '000007000' }), false, "status 200, body without '000007000'"],
    [http({ port: echoPort }), false, 'malformed answer: no HTTP'],
    [http({ port: closedPort }), false, 'connection refused'],
    [{ type: 'tcp', port: closedPort }, false, 'connection refused'],
  ]);
  const unknown = both(lab, serverOf(lab, 1), { type: 'ping' }, patience, { device: 'no-such' });
  const portless = { ...targetOf(lab, serverOf(lab, 1), 4) };
  assert.equal(reasons(await program.ask({ check: { type: 'tcp' }, timeout: patience, target: portless })), [
    'no port',
  ]);
  assert.equal(
    reasons(await program.ask(...unknown.map((request) => ({ ...request, check: { type: 'tcp' } as const })))),
    ['no such device', 'no such device'],
  );
});

test('scripts get what they need to know, and tell why', async ({ lab }) => {
  const server = serverOf(lab, 2);
  const say = 'echo "$1 $2 $ONEIP_SERVICE $ONEIP_SERVER $ONEIP_ADDRESS $ONEIP_GHOST $ONEIP_PORT"; echo more';
  const results = await program.ask(...both(lab, server, script(lab, 'say', say)));
  assert.equal(
    results.map(({ passed, reason }) => [passed, reason]),
    families.map((family) => [true, `web s2 web s2 ${server.address[family]} ${ghost[family]} 80`]),
  );
  const left = join(lab.folder, 'left');
  await expect(lab, server, [
    [script(lab, 'fail', 'echo "disk full" >&2', 'exit 3'), false, 'disk full'],
    [script(lab, 'silent', 'exit 3'), false, 'exit status 3'],
    [script(lab, 'fine', 'exit 0'), true, 'passed'],
    [script(lab, 'killed', 'kill -9 $$'), false, 'killed by SIGKILL'],
    [{ type: 'script', path: join(lab.folder, 'absent') }, false, 'no such program'],
  ]);
  // What it has started goes with it, also where it has itself ended.
  for (const [name, ...lines] of [
    ['slow', `(sleep 2; touch ${left}) & wait`],
    ['gone', `(sleep 2; touch ${left}) &`],
  ] as const) {
    await expect(lab, server, [[script(lab, name, ...lines), false, 'timed out']], short);
  }
  // Nothing is to come: one that was started later, and may live, has come by then.
  await lab.router.run(['sleep', '2.5']);
  assert.not.ok(existsSync(left));
});

test('probes leave nothing behind', async ({ lab }) => {
  const server = serverOf(lab, 3);
  const checks: Check[] = [
    { type: 'ping' },
    { type: 'arp' },
    { type: 'tcp' },
    { type: 'tcp', port: closedPort },
    http({ body: 's3' }),
    http({ path: '/nothing' }),
  ];
  const { before, after, probes } = await program.leaks(checks.flatMap((check) => both(lab, server, check)));
  figure(`${probes} probes, and as many that were cancelled: ${before.bytes} bytes before, ${after.bytes} after`);
  assert.is(after.descriptors, before.descriptors);
  assert.ok(after.bytes - before.bytes < 50_000, `${after.bytes - before.bytes} bytes`);
});

test('clients notice nothing of probes', async ({ lab, oracle }) => {
  const from = wanClient(4, 1);
  const server = lab.servers.find(({ name }) => name === oracle.server('web', from));
  assert.ok(server);
  const connection = await lab.traffic(lab.wan).tcp(from, ghost[4], echoPort);
  assert.is((await heard(connection)).server, server.name);
  const request = { check: { type: 'tcp', port: echoPort } as const, timeout: patience };
  const targets = lab.servers.map((each) => targetOf(lab, each, 4));
  const probing = program.repeat({ ...request, targets, interval: 50, duration: 2000 });
  let answers = 0;
  const done = probing.then(() => true);
  while (!(await Promise.race([done, heard(connection).then(() => false)]))) answers += 1;
  assert.ok(answers > 20 && connection.alive, `${answers} answers`);
  assert.equal(await probing, []);
});

test('a server that has lost its ghost address is dead, though all of it works', async ({ lab }) => {
  const server = serverOf(lab, 2);
  await server.namespace.ip([`address del ${ghost[4]}/32 dev lo`, `address del ${ghost[6]}/128 dev lo`]);
  const dead = [
    [{ type: 'ping' }, false, 'timed out'],
    [{ type: 'tcp' }, false, 'timed out'],
    [http(), false, 'timed out'],
  ] as const;
  await expect(lab, server, dead, short);
  // It sends what it does not know back to the router.
  await server.namespace.sysctl({ 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 });
  await expect(lab, server, dead, short);
  assert.ok((await program.ask(...both(lab, server, { type: 'arp' }))).every(({ passed }) => passed));
  await server.namespace.sysctl({ 'net.ipv4.ip_forward': 0, 'net.ipv6.conf.all.forwarding': 0 });
  await server.namespace.ip(lab.ghosts.map(ghostLine));
  await expect(lab, server, [[{ type: 'ping' }, true, 'echo reply']]);
});

test('a server that says that it does not know the ghost', async ({ lab }) => {
  const server = serverOf(lab, 4);
  await server.namespace.ip([
    ...[`address del ${ghost[4]}/32 dev lo`, `address del ${ghost[6]}/128 dev lo`],
    ...families.map((family) => `route add unreachable ${ghost[family]}`),
  ]);
  await server.namespace.sysctl({ 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 });
  for (const type of ['ping', 'tcp'] as const) {
    const results = await program.ask(...both(lab, server, { type }));
    for (const { passed, reason } of results) {
      assert.not.ok(passed, `${type}: ${reason}`);
      assert.match(reason, /unreachable|no route/);
    }
  }
});

test('a process that is killed, or hangs', async ({ lab }) => {
  const server = serverOf(lab, 1);
  const programs = lab.programs[0];
  assert.ok(programs);
  programs.nginx.signal('SIGSTOP');
  await expect(lab, server, [[http(), false, 'timed out']], short);
  // The kernel goes on accepting for it: that is what `http` is for.
  await expect(lab, server, [[{ type: 'tcp' }, true, 'connected']]);
  programs.nginx.signal('SIGKILL');
  await programs.nginx.ended;
  await expect(lab, server, [
    [http(), false, 'connection refused'],
    [{ type: 'tcp' }, false, 'connection refused'],
    [{ type: 'ping' }, true, 'echo reply'],
  ]);
});

test('a cable that is cut', async ({ lab }) => {
  const server = serverOf(lab, 3);
  await server.namespace.ip(['link set eth0 down']);
  await expect(
    lab,
    server,
    [
      [{ type: 'ping' }, false, 'timed out'],
      [{ type: 'arp' }, false, 'timed out'],
      [{ type: 'tcp' }, false, 'timed out'],
      [http(), false, 'timed out'],
    ],
    short,
  );
});

run();
