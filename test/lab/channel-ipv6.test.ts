import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ghostPlaces, routerAddresses } from './addresses.ts';
import { withLab, type Lab } from './lab.ts';
import { oneipProgram } from './paths.ts';
import { eventually, figure, Oracle, spreadClients, whoAnswers } from './scenario.ts';
import { everySlotOwned, slotsHeld, startServerDaemons, sum } from './server-programs.ts';
import { echoPort } from './servers.ts';
import { uciSection } from './uci.ts';

// Servers that have IPv6 addresses alone: the channel goes over IPv6, to a group on their link.

const ghost = ghostPlaces.elsewhere[6];
const SLOTS = 4096;

function configOf(lab: Lab): string {
  const service = { ghost: [ghost], source: ['wan'], device: 'br-lan', dispatch: 'multicast', proto: 'tcp' };
  return [
    uciSection('globals', 'globals', { key: 'the.key.of.the.laboratory' }),
    uciSection('service', 'web', { ...service, port: String(echoPort) }),
    uciSection('watchdog', 'told', { type: 'report', interval: '300ms', timeout: '1s', fall: '2', half_life: '0' }),
    ...lab.servers.map(({ name, address }) => uciSection('server', name, { service: ['web'], address6: address[6] })),
  ].join('');
}

test('servers without IPv4 hear the router over IPv6, and are heard', () =>
  withLab({ servers: 3, bareServers: true, ghosts: [ghost] }, async (lab) => {
    const config = configOf(lab);
    await Promise.all(
      lab.servers.map(({ namespace }) => namespace.run(['ip', '-4', 'address', 'flush', 'dev', 'eth0'])),
    );
    await lab.router.ip([`address del ${routerAddresses.lan[4]}/24 dev br-lan`]);
    await lab.daemon.start(config);
    const daemons = await startServerDaemons(lab, config);
    const { milliseconds } = await everySlotOwned(lab, daemons, 'web', SLOTS, 10_000);
    figure(`all servers had their slots ${Math.round(milliseconds)} ms after they were ready`);
    const oracle = new Oracle(config);
    for (const client of spreadClients(6, 20)) {
      const { server } = await whoAnswers(lab, lab.wan, 'tcp', client, ghost, echoPort);
      assert.is(server, oracle.server('web', client), client);
    }
    const [first] = lab.servers;
    const [daemon] = daemons;
    assert.ok(first && daemon);
    const places = ['--config', daemon.configFile, '--state', daemon.stateFolder];
    const status = await first.namespace.run([oneipProgram, 'server', '--status', '--json', ...places]);
    const { channel } = JSON.parse(status) as { channel: { hold: string; lease: number; tables: unknown[] } };
    assert.is(channel.hold, 'holding');
    assert.ok(channel.lease > 0, 'the router has told that it hears it');
    assert.is(channel.tables.length, 1);

    // Its program ends, and it tells so.
    await lab.programs[0]?.echo.stop('SIGKILL');
    const moved = await eventually('the slots of the ill one move', 10_000, async () => {
      const counts = await slotsHeld(lab, daemons, 'web');
      return counts[0] === 0 && sum(counts) === SLOTS ? counts : undefined;
    });
    figure(`the slots of a server without its program had moved after ${Math.round(moved.milliseconds)} ms`);
    const names = new Set<string>();
    for (const client of spreadClients(6, 20)) {
      names.add((await whoAnswers(lab, lab.wan, 'tcp', client, ghost, echoPort)).server);
    }
    assert.equal([...names].sort(), ['s2', 's3']);
  }));

test.run();
