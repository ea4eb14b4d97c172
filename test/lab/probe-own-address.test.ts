import * as assert from 'uvu/assert';
import type { Check } from '../../src/config/model.ts';
import { families, ghostPlaces } from './addresses.ts';
import { tool } from './paths.ts';
import { ProbeProgram, targetOf } from './probe.ts';
import { configuration } from './scenario.ts';
import { echoPort } from './servers.ts';
import { labSuite } from './suite.ts';
import { ghostLine, type Server } from './topology.ts';

const ghost = ghostPlaces.router;

let program: ProbeProgram;

const home = {
  servers: 2,
  ghosts: families.map((family) => ghost[family]),
  strictReversePath: true,
  firewall: { mark: 0x6f690000, mask: 0xffff0000 },
};

const { test, run } = labSuite('probes of a ghost that is the router’s own address', home, async (lab) => {
  program = await ProbeProgram.build(lab.router, lab.folder);
  // The router has services of its own there, which must not answer in a server's place.
  const own = lab.router.start([tool('echo-server'), 'router', '80', String(echoPort)]);
  await own.waitFor((line) => line === 'ready' || undefined);
  return configuration(lab, { web: { options: { port: [80, echoPort] } } });
});

const checks: readonly Check[] = [
  { type: 'ping' },
  { type: 'tcp' },
  { type: 'http', path: '/', status: [{ first: 200, last: 299 }], body: 's' },
];

async function ask(lab: Parameters<typeof targetOf>[0], server: Server, timeout: number): Promise<string[]> {
  const targets = families.map((family) => targetOf(lab, server, family, { port: 80 }));
  const requests = checks.flatMap((check) => targets.map((target) => ({ check, target, timeout })));
  return (await program.ask(...requests)).map(({ passed, reason }) => `${passed ? 'passed' : 'failed'}: ${reason}`);
}

const twice = (...reasons: string[]) => reasons.flatMap((reason) => [reason, reason]);

test('servers answer, the router does not', async ({ lab }) => {
  for (const server of lab.servers) {
    assert.equal(await ask(lab, server, 2000), twice('passed: echo reply', 'passed: connected', 'passed: status 200'));
  }
});

test('a server that has lost it is dead', async ({ lab }) => {
  const [server] = lab.servers;
  assert.ok(server);
  await server.namespace.ip([`address del ${ghost[4]}/32 dev lo`, `address del ${ghost[6]}/128 dev lo`]);
  assert.equal(await ask(lab, server, 300), twice(...checks.map(() => 'failed: timed out')));
  await server.namespace.ip(lab.ghosts.map(ghostLine));
  assert.equal((await ask(lab, server, 2000)).slice(0, 2), twice('passed: echo reply'));
});

test('a process that is killed', async ({ lab }) => {
  const [programs] = lab.programs;
  assert.ok(programs);
  programs.nginx.signal('SIGKILL');
  await programs.nginx.ended;
  assert.equal(
    await ask(lab, programs.server, 2000),
    twice('passed: echo reply', 'failed: connection refused', 'failed: connection refused'),
  );
});

run();
