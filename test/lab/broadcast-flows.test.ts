import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { families, ghostPlaces } from './addresses.ts';
import { answeredBy, recordAnswered } from './answered.ts';
import { LabBus } from './bus.ts';
import { ControlClient } from './control-client.ts';
import type { Daemon } from './daemon.ts';
import { HitlessClients } from './hitless-clients.ts';
import { withLab, type Lab } from './lab.ts';
import { configuration, eventually, figure } from './scenario.ts';
import { slotsInForce, startServerDaemons } from './server-programs.ts';
import { echoPort } from './servers.ts';
import { clock } from './traffic-load.ts';
import { uciSection } from './uci.ts';

// Open flows of datagrams where all servers get every packet. Who has got a slot cannot see that a flow in it is another's; so
// whoever lets go of it says which are open. Each datagram is answered once, and by who has had the flow, as long as that one lives.

const ghost = ghostPlaces.elsewhere;
/** Of both families. */
const SLOTS = 2 * 4096;
/** Flows of both families. */
const flows = 300;

function configOf(lab: Lab): string {
  const options = { dispatch: 'broadcast', port: String(echoPort), proto: 'udp' };
  return [
    configuration(lab, { names: { ghost: families.map((family) => ghost[family]), options } }),
    uciSection('globals', 'globals', { key: 'the.key.of.the.laboratory' }),
    uciSection('watchdog', 'told', { type: 'report', interval: '300ms', timeout: '1s', fall: '2', half_life: '0' }),
  ].join('');
}

/** Every slot has an owner, and those servers alone have some that shall. */
function everySlotOwned(lab: Lab, daemons: readonly Daemon[], owners: readonly string[]) {
  return eventually(`${owners.join()} have all slots`, 20_000, async () => {
    const counts = await Promise.all(
      lab.servers.map(async (server, index) => {
        const daemon = daemons[index];
        // One that is dead holds nothing.
        if (!daemon || !owners.includes(server.name)) return 0;
        const { ipv4 = 0, ipv6 = 0 } = await slotsInForce(server, daemon, 'names');
        return ipv4 + ipv6;
      }),
    );
    const isWhole = counts.reduce((sum, count) => sum + count, 0) === SLOTS;
    return isWhole && lab.servers.every(({ name }, index) => owners.includes(name) === (counts[index] ?? 0) > 0)
      ? counts
      : undefined;
  });
}

/** Elements of the sets by which a server goes on with flows, and leaves those of others. */
async function flowsIn(lab: Lab, kind: 'kept' | 'elsewhere'): Promise<number[]> {
  return Promise.all(
    lab.servers.map(async ({ namespace }) => {
      const lists = await Promise.all(
        families.map((family) => namespace.run(['nft', '-j', 'list', 'set', 'inet', 'oneip', `${kind}${family}`])),
      );
      const sets = lists.flatMap(
        (text) => (JSON.parse(text) as { nftables: { set?: { elem?: readonly unknown[] } }[] }).nftables,
      );
      return sets.reduce((sum, { set }) => sum + (set?.elem?.length ?? 0), 0);
    }),
  );
}

test(`${flows} open flows through drains, returns, weights and a death: each datagram has one server`, () =>
  withLab({ servers: 4, bareServers: true, ghosts: [ghost[4], ghost[6]] }, async (lab) => {
    const config = configOf(lab);
    const bus = await LabBus.start(lab.daemon.ubusSocket, {});
    try {
      await lab.daemon.start(config);
      const daemons = await startServerDaemons(lab, config);
      const control = await ControlClient.join(bus, 20_000);
      const all = lab.servers.map(({ name }) => name);
      await everySlotOwned(lab, daemons, all);
      await recordAnswered(lab, 'udp');
      const clients = new HitlessClients(lab, { tcp: 0, udp: flows, fresh: 0 }, 12_000);
      await clients.open();
      const { load } = clients;
      const first = new Map([...load.held].map(([flow, { server }]) => [flow, server]));
      assert.is(new Set(first.values()).size, all.length);

      const order = (method: string, server: string, more: Readonly<Record<string, string | number>>) =>
        control.order(method, { server, service: 'names', ...more });
      const without = (...gone: string[]) => all.filter((name) => !gone.includes(name));
      const changed = async (what: string, owners: readonly string[], deed: () => Promise<unknown>): Promise<void> => {
        const since = clock();
        await deed();
        await everySlotOwned(lab, daemons, owners);
        const [kept, elsewhere] = [await flowsIn(lab, 'kept'), await flowsIn(lab, 'elsewhere')];
        figure(
          `${what}: all slots had owners after ${Math.round(clock() - since)} ms; ` +
            `kept ${kept.join('/')}, left to others ${elsewhere.join('/')}`,
        );
      };
      await changed('s1 drains', without('s1'), () => order('set_server', 's1', { state: 'drain' }));
      assert.ok(((await flowsIn(lab, 'kept'))[0] ?? 0) > 0, 's1 goes on with what is open');
      // Several at once, and one that comes back while another one goes.
      await changed('s2 drains, s1 is back, and s3 weighs more', without('s2'), async () => {
        await order('set_server', 's2', { state: 'drain' });
        await order('set_server', 's1', { state: 'auto' });
        await order('set_weight', 's3', { weight: 250 });
      });
      await changed('s2 is back, and s3 drains', without('s3'), async () => {
        await order('set_server', 's2', { state: 'auto' });
        await order('set_server', 's3', { state: 'drain' });
      });
      await changed('s3 is back', all, () => order('set_server', 's3', { state: 'auto' }));
      assert.equal(load.breaks, [], 'flows broken');
      assert.equal(load.losses, [], 'datagrams lost');
      const answered = [...(await answeredBy(lab))];
      assert.is(answered.length, flows);
      assert.equal(
        answered.filter(([, servers]) => servers.length !== 1),
        [],
        'flows answered by several servers',
      );

      const [dying] = daemons.slice(-1);
      assert.ok(dying);
      await changed('s4 dies', without('s4'), () => dying.crash());
      // Nobody else's flows are touched, whether or not s4 had had their slots.
      await load.until('those of the dead one are served', 20_000, () => {
        const held = [...load.held.values()];
        return held.length === flows && held.every(({ server }) => server !== undefined && server !== 's4');
      });
      assert.equal(
        load.breaks.filter(({ server }) => server !== 's4'),
        [],
        'flows of others broken',
      );
      assert.equal(
        load.losses.filter(({ server }) => server !== 's4'),
        [],
        "others' datagrams lost",
      );
      const moved = [...first.values()].filter((server) => server === 's4').length;
      const twice = [...(await answeredBy(lab))].filter(([, servers]) => servers.length !== 1);
      figure(`${moved} flows had the server that died, ${twice.length} were answered by two servers in all`);
      assert.ok(twice.every(([, servers]) => servers.includes('s4') && servers.length === 2));
      await clients.end();
      control.close();
    } finally {
      await bus.stop();
    }
  }));

test.run();
