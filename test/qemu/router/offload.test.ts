import * as assert from 'uvu/assert';
import { families, routerAddresses, wanClient } from '../../lab/addresses.ts';
import { cutCable, mendCable } from '../../lab/hitless-fleet.ts';
import { download, upload } from '../../lab/http.ts';
import { eachOf, eventually, figure, heard, Oracle, spreadClients, whoAnswers } from '../../lab/scenario.ts';
import { echoPort } from '../../lab/servers.ts';
import { answered } from '../../lab/traffic.ts';
import { clock, type Break } from '../../lab/traffic-load.ts';
import { addressPattern, countTracked } from '../conntrack-table.ts';
import type { MachineLab } from '../machine-lab.ts';
import {
  configured,
  covered,
  forwardedPort,
  goesOn,
  hashed,
  holdAll,
  own,
  routed,
  run,
  seenByFirewall,
  test,
  turns,
} from './offload-scene.ts';

const full = (globalThis as { ONEIP_FULL?: boolean }).ONEIP_FULL === true;
/** Connections of each family and protocol, and to each of two services. */
const each = full ? 40 : 12;

/** A test of the long form only: the machine takes half a minute for each. */
const longTest: typeof test = (title, body) => {
  if (full) test(title, body);
};

test('connections are forwarded past the firewall, and every byte arrives', async ({ lab, oracle }) => {
  for (const ghost of [hashed, covered]) {
    for (const family of families) {
      const client = wanClient(family, 17);
      const before = await seenByFirewall(lab);
      const server = await download(lab.wan, client, ghost[family]);
      assert.is(await upload(lab, lab.programs, lab.wan, client, ghost[family]), server);
      assert.is(server, oracle.server(ghost === hashed ? 'web' : 'covered', client));
      const seen = (await seenByFirewall(lab)) - before;
      figure(`4 MB of ${ghost[family]}: ${seen} packets by the firewall`);
      // Some 2800 segments are data.
      assert.ok(seen < 300, `${seen} packets have passed the firewall`);
    }
  }
});

test('new connections spread by the weights; masqueraded ones are forwarded so, too', async ({ lab, oracle }) => {
  for (const family of families) {
    const clients = spreadClients(family, 25);
    const counts = new Map<string, number>();
    await eachOf(clients, 8, async (client) => {
      const answer = await whoAnswers(lab, lab.wan, 'tcp', client, hashed[family], echoPort);
      assert.equal([answer.server, answer.client], [oracle.server('web', client), client]);
      const next = await whoAnswers(lab, lab.wan, 'udp', client, turns[family], echoPort);
      counts.set(next.server, (counts.get(next.server) ?? 0) + 1);
      const hidden = await whoAnswers(lab, lab.wan, 'tcp', client, covered[family], echoPort);
      assert.equal([hidden.server, hidden.client], [oracle.server('covered', client), routerAddresses.lan[family]]);
    });
    assert.equal([...counts].sort(), Object.entries({ s1: 10, s2: 5, s3: 5, s4: 5 }));
  }
});

function describe(breaks: readonly Break[]): string[] {
  return breaks.map(
    ({ options, server, reason, by }) => `${options.protocol} ${options.destination} ${server} ${reason} ${by}`,
  );
}

longTest('a drain breaks none of them', async ({ lab }) => {
  const patience = 10_000;
  const load = await holdAll(lab, each, patience);
  figure(`${load.held.size} connections, all of them offloaded`);
  for (const service of ['web', 'turns']) await lab.shell.run(`oneip drain s1 --service ${service}`);
  await goesOn(load);
  for (const family of families) {
    for (const client of spreadClients(family, 12)) {
      for (const ghost of [hashed, turns]) {
        const { server } = await whoAnswers(lab, lab.wan, 'tcp', client, ghost[family], echoPort);
        assert.is.not(server, 's1');
      }
    }
  }
  for (const service of ['web', 'turns']) await lab.shell.run(`oneip auto s1 --service ${service}`);
  // So long that a silent one is told of, too.
  await goesOn(load, patience + 1_000);
  assert.equal(describe(load.breaks), []);
  await load.end();
});

test('what is taken from a server is forgotten: TCP clients hear it, UDP moves, and nobody else notices', async ({
  lab,
}) => {
  const load = await holdAll(lab, each, 150_000);
  const isOf = ({ server, options }: { server?: string; options: { destination: string } }) =>
    server === 's2' && families.some((family) => options.destination === hashed[family]);
  const had = [...load.held.values()].filter(isOf);
  assert.ok(had.length > 0);
  const before = clock();
  await lab.shell.run('oneip failover s2 --service web');
  const ordered = clock();
  assert.is((await lab.shell.attempt('grep stay /tmp/log')).output, '');
  await load.until('the end of all that it had', 20_000, () => load.breaks.length >= had.length);
  await goesOn(load);
  const worst = { tcp: 0, udp: 0 };
  for (const broken of load.breaks) {
    const { protocol } = broken.options;
    assert.ok(isOf(broken), 'connections of others, and of the other service, stay');
    assert.is(broken.reason, protocol === 'tcp' ? 'ECONNRESET' : 'MOVED');
    worst[protocol] = Math.max(worst[protocol], broken.time - before);
  }
  figure(
    `${had.length} connections of a server that is ordered down (${Math.round(ordered - before)} ms): the last TCP client heard it ${Math.round(worst.tcp)} ms after the order was given, the last UDP flow had moved ${Math.round(worst.udp)} ms after it`,
  );
  assert.is(load.breaks.length, had.length);
  await lab.shell.run('oneip auto s2 --service web');
  await load.end();
});

longTest('a server that dies loses its connections, and only it', async ({ lab, oracle }) => {
  const load = await holdAll(lab, each, 150_000);
  const dead = lab.servers[2];
  assert.ok(dead);
  const had = [...load.held.values()].filter(({ server }) => server === dead.name);
  const cut = clock();
  await cutCable(dead);
  // TCP waits twice as long before each repetition (RFC 6298 §5.5), and the router's machine takes its time to find out.
  await load.until('the end of all that it had', 120_000, () => load.breaks.length >= had.length);
  const ended = clock();
  await goesOn(load);
  for (const broken of load.breaks) {
    assert.is(broken.server, dead.name, 'connections of others stay');
    assert.is(broken.reason, broken.options.protocol === 'tcp' ? 'ECONNRESET' : 'MOVED');
  }
  figure(
    `${had.length} connections of a dead server: all have ended ${Math.round(ended - cut)} ms after its cable was cut`,
  );
  assert.is(load.breaks.length, had.length);
  await mendCable(dead);
  for (const [service, ghost] of Object.entries({ web: hashed, routed })) {
    for (const family of families) {
      const client = spreadClients(family, 40).find((one) => oracle.server(service, one) === dead.name) ?? '';
      await eventually(`${dead.name} for ${service}`, 60_000, async () => {
        // A datagram may be lost while the cable is being plugged in: whoever has no answer asks again.
        const asked = whoAnswers(lab, lab.wan, 'udp', client, ghost[family], echoPort);
        const server = await asked.then(
          (answer) => answer.server,
          () => undefined,
        );
        return server === dead.name || undefined;
      });
    }
  }
  await goesOn(load);
  assert.is(load.breaks.length, had.length, 'nothing breaks when it comes back');
  await load.end();
});

test('a service that is routed takes no part in it, and nothing of it is tracked', async ({ lab, oracle }) => {
  for (const family of families) {
    for (const client of spreadClients(family, 12)) {
      for (const protocol of ['tcp', 'udp'] as const) {
        const answer = await whoAnswers(lab, lab.wan, protocol, client, routed[family], echoPort);
        assert.equal([answer.server, answer.client], [oracle.server('routed', client), client]);
      }
    }
    const client = wanClient(family, 18);
    const server = await download(lab.wan, client, routed[family]);
    assert.is(await upload(lab, lab.programs, lab.wan, client, routed[family]), server);
    assert.is(await countTracked(lab.shell, `dst=${addressPattern(routed[family])} `), 0);
  }
});

/** Puts a service in the place of the port forward, or takes it away; resolves when the kernel has it so. */
async function reload(lab: MachineLab, late?: string): Promise<void> {
  const { shell } = lab;
  await shell.write('/etc/config/oneip', configured(lab, late));
  // A busy machine may need more time than the command waits for an answer.
  await shell.attempt('oneip reload', 120_000);
  await eventually('the reload', 60_000, async () => {
    const { status } = await shell.attempt('nft list counters | grep -q late/s1');
    return (status === 0) === (late !== undefined) || undefined;
  });
}

longTest(
  'what a port forward had goes on where a service translates; where one routes, it is ended',
  async ({ lab }) => {
    const late = new Oracle(configured(lab, 'route'));
    for (const dispatch of ['nat', 'route'] as const) {
      const before = await eachOf(families, 2, async (family) => {
        const client = spreadClients(family, 40).find((one) => late.server('late', one) !== 's1') ?? '';
        const conversation = await lab.traffic(lab.wan).tcp(client, own[family], forwardedPort);
        for (let count = 0; count < 3; count++) assert.is((await heard(conversation)).server, 's1');
        return { family, client, conversation };
      });
      const clients = before.map(({ client }) => addressPattern(client)).join('|');
      assert.is(
        await countTracked(lab.shell, 'OFFLOAD', ` src=(${clients}) .* dport=${forwardedPort} `),
        before.length,
      );
      await reload(lab, dispatch);
      for (const { family, client, conversation } of before) {
        const answer = await conversation.ask();
        if (dispatch === 'nat') assert.is(answered(answer) && answer.server, 's1');
        else assert.equal(answer, { broken: 'ECONNRESET' });
        const fresh = await whoAnswers(lab, lab.wan, 'tcp', client, own[family], forwardedPort);
        assert.is(fresh.server, late.server('late', client));
        conversation.close();
      }
      await reload(lab);
    }
  },
);

longTest('the doctor tells of the flow table, and finds nothing wrong', async ({ lab }) => {
  const report = JSON.parse(await lab.shell.run('oneip doctor --json', 120_000)) as {
    findings: { id: string; severity: string; what: string; why: string }[];
  };
  assert.equal(
    report.findings.map(({ id, severity }) => `${id} ${severity}`),
    ['flow-offload information'],
  );
  const [{ what, why } = { what: '', why: '' }] = report.findings;
  assert.match(what, "the kernel forwards known connections past the firewall (flow table 'ft')");
  assert.match(why, 'nothing changes for services');
});

run();
