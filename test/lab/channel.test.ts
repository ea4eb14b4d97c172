import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { families, ghostPlaces, lanHost } from './addresses.ts';
import { LabBus } from './bus.ts';
import { ControlClient } from './control-client.ts';
import type { Daemon } from './daemon.ts';
import { withLab, type Lab } from './lab.ts';
import { oneipProgram, tool } from './paths.ts';
import { configuration, eventually, figure, Oracle, spreadClients, whoAnswers } from './scenario.ts';
import { everySlotOwned, slotsHeld, startServerDaemons, sum } from './server-programs.ts';
import { echoPort } from './servers.ts';
import type { Server } from './topology.ts';
import { uciSection } from './uci.ts';

// The channel between the router and its servers: who has which slots, and how the servers are.

const ghost = ghostPlaces.elsewhere;
/** Of both families. */
const SLOTS = 2 * 4096;

function configOf(lab: Lab): string {
  const options = { dispatch: 'broadcast', port: String(echoPort), proto: 'tcp' };
  return [
    configuration(lab, { web: { ghost: families.map((family) => ghost[family]), options } }),
    uciSection('globals', 'globals', {
      key: 'the.key.of.the.laboratory',
      load_script: loadScript(lab),
      load_interval: '1s',
    }),
    uciSection('watchdog', 'told', { type: 'report', interval: '300ms', timeout: '1s', fall: '2', half_life: '0' }),
  ].join('');
}

/** A program that tells how busy a server is, by a file of its own that the test may write. */
function loadScript({ folder }: Lab): string {
  const file = join(folder, 'load');
  writeFileSync(file, `#!/bin/sh\ncat ${folder}/load.number\n`, { mode: 0o755 });
  return file;
}

/** Sends a datagram to the channel's group, as anybody on the servers' network may. */
async function sayToAll({ lan }: Lab, text: string): Promise<void> {
  const client = lan.start([tool('traffic-client')]);
  client.send(`udp 1 ${lanHost[4]} 0 224.0.0.254 28521`);
  client.send(`say 1 ${text}`);
  client.closeInput();
  await client.ended;
}

interface ChannelStatus {
  readonly hold: string;
  readonly epoch: string;
  readonly heard: number;
  readonly lease: number;
  readonly tables: readonly { readonly family: number; readonly version: number; readonly announced: number }[];
  readonly refused: Readonly<Record<string, number>>;
}

async function statusText({ namespace }: Server, daemon: Daemon | undefined, ...words: string[]): Promise<string> {
  const places = ['--config', daemon?.configFile ?? '', '--state', daemon?.stateFolder ?? ''];
  return namespace.run([oneipProgram, 'server', '--status', ...words, ...places]);
}

async function channelOf(server: Server, daemon: Daemon | undefined): Promise<ChannelStatus> {
  const { channel } = JSON.parse(await statusText(server, daemon, '--json')) as { channel?: ChannelStatus };
  if (!channel) throw new Error(`${server.name} tells nothing of the channel`);
  return channel;
}

test('servers learn from the router who has which slots, and it hears from them how they are', () =>
  withLab({ servers: 3, bareServers: true, ghosts: [ghost[4], ghost[6]] }, async (lab) => {
    const config = configOf(lab);
    const bus = await LabBus.start(lab.daemon.ubusSocket, {});
    try {
      await lab.daemon.start(config);
      const daemons = await startServerDaemons(lab, config);
      const { milliseconds } = await everySlotOwned(lab, daemons, 'web', SLOTS, 5_000);
      figure(`all servers had their slots ${Math.round(milliseconds)} ms after they were ready`);
      const oracle = new Oracle(config);
      const control = await ControlClient.join(bus, 20_000);
      const serverStatus = async (name: string) => (await control.status()).services['web']?.servers[name];
      const [first, second] = lab.servers;
      assert.ok(first && second);
      for (const family of families) {
        for (const client of spreadClients(family, 12)) {
          const { server } = await whoAnswers(lab, lab.wan, 'tcp', client, ghost[family], echoPort);
          assert.is(server, oracle.server('web', client));
        }
      }
      const report = await eventually('a report', 5_000, async () => (await serverStatus(first.name))?.report);
      assert.is(report.result.well, true);
      assert.is(report.result.current, true);

      // What a script tells is told on; where it fails, nothing else does.
      assert.is(report.result.script, undefined);
      writeFileSync(join(lab.folder, 'load.number'), '42.5\n');
      await eventually("the script's number", 5_000, async () => {
        const { script } = (await serverStatus(first.name))?.report ?? {};
        return script === 42.5 ? script : undefined;
      });
      assert.match(await lab.router.run([oneipProgram, 'status', '--ubus', lab.daemon.ubusSocket]), / · 42\.5\b/);
      writeFileSync(join(lab.folder, 'load.number'), 'busy\n');
      await eventually('no number', 5_000, async () => {
        const told = (await serverStatus(first.name))?.report;
        return told?.well === true && told.script === undefined ? told : undefined;
      });
      const complaints = daemons[0]?.log.filter((line) => line.includes('warning: load_script')) ?? [];
      assert.match(complaints.join(), /exit status 1.*its first line is no number/);

      // The server's own daemon tells how it stands to the router, and what it did not believe.
      await sayToAll(lab, 'nonsense');
      const { result: told } = await eventually('what was refused is counted', 5_000, async () => {
        const channel = await channelOf(first, daemons[0]);
        return channel.refused['truncated'] === 1 ? channel : undefined;
      });
      assert.is(told.hold, 'holding');
      assert.match(told.epoch, /^[0-9a-f]{16}$/);
      assert.ok(told.heard < 2 && told.lease > 0 && told.lease <= 4, JSON.stringify(told));
      assert.equal(
        told.tables.map(({ family }) => family),
        [4, 6],
      );
      for (const { version, announced } of told.tables) assert.ok(version > 0 && version === announced);
      const text = await statusText(first, daemons[0]);
      assert.match(text, /^channel +holds its slots, router [0-9a-f]{16}, heard \d\.\d s ago/m);
      assert.match(text, /^refused .*\b1 truncated/m);

      // A server whose program has died says so itself.
      await lab.programs[0]?.echo.stop('SIGKILL');
      const ill = await eventually('the slots of the ill one move', 10_000, async () => {
        const counts = await slotsHeld(lab, daemons, 'web');
        return counts[0] === 0 && sum(counts) === SLOTS ? counts : undefined;
      });
      figure(`the slots of a server without its program had moved after ${Math.round(ill.milliseconds)} ms`);
      assert.match(String((await serverStatus(first.name))?.reason), /nobody listens on tcp port/);

      // One that is silent is taken for dead.
      await lab.router.ip([`link set ${second.port} down`]);
      const silent = await eventually('the slots of the silent one move', 10_000, async () => {
        const counts = await slotsHeld(lab, daemons, 'web');
        return counts[2] === SLOTS ? counts : undefined;
      });
      figure(`the slots of a silent server had moved after ${Math.round(silent.milliseconds)} ms`);
      for (const client of spreadClients(4, 12)) {
        const { server } = await whoAnswers(lab, lab.wan, 'tcp', client, ghost[4], echoPort);
        assert.is(server, lab.servers[2]?.name);
      }
      await lab.router.ip([`link set ${second.port} up`]);
      await eventually('the silent one is back', 10_000, async () => {
        const counts = await slotsHeld(lab, daemons, 'web');
        return (counts[1] ?? 0) > 0 && sum(counts) === SLOTS ? counts : undefined;
      });

      // A router whose daemon has died stops nothing, nor does the next one that begins.
      const before = await slotsHeld(lab, daemons, 'web');
      const dump = JSON.stringify(await control.order('dump', {}));
      control.close();
      assert.match(dump, /option key/);
      assert.not.match(dump, /the\.key\.of/);
      await lab.daemon.crash();
      const begin = performance.now();
      while (performance.now() - begin < 4_000) assert.equal(await slotsHeld(lab, daemons, 'web'), before);
      const restarted = lab.daemon.start(config);
      restarted.catch(() => undefined);
      let starting = true;
      void restarted.finally(() => (starting = false)).catch(() => undefined);
      while (starting) assert.equal(sum(await slotsHeld(lab, daemons, 'web')), SLOTS);
      await restarted;
    } finally {
      await bus.stop();
    }
  }));

test.run();
