import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../unit/support/random.ts';
import { families, ghostPlaces } from './addresses.ts';
import { answeredBy, recordAnswered } from './answered.ts';
import { LabBus } from './bus.ts';
import { delayMessages, loseEverySecondMessage } from './channel-trouble.ts';
import { ControlClient } from './control-client.ts';
import { elapse, HitlessClients } from './hitless-clients.ts';
import { withLab, type Lab } from './lab.ts';
import { configuration, eventually, figure } from './scenario.ts';
import { everySlotOwned, startServerDaemons, takenBy } from './server-programs.ts';
import { echoPort } from './servers.ts';
import type { Server } from './topology.ts';
import { clock, type TrafficLoad } from './traffic-load.ts';
import { uciSection } from './uci.ts';

// Changes of who serves whom where all servers get every packet: servers learn of them at different times, and one of them late,
// another one from every second message only. No connection breaks, and each is accepted by one server.

const ghost = ghostPlaces.elsewhere;
/** Of both families. */
const SLOTS = 2 * 4096;
const full = (globalThis as { ONEIP_FULL?: boolean }).ONEIP_FULL === true;
const seed = Number(process.env['ONEIP_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
/** Milliseconds that the router's messages take to the server `s2`. */
const delay = 2_000;
/** Servers that keep clients, whatever chance wants. */
const fewest = 2;
/** Milliseconds: a slot is released, and granted, with one delay each, and SYNs come again 1, 3 and 7 s after the first. */
const patience = 12_000;

function configOf(lab: Lab, dispatch: string): string {
  const service = (proto: string) => ({
    ghost: families.map((family) => ghost[family]),
    options: { dispatch, proto, port: String(echoPort) },
  });
  return [
    configuration(lab, { web: service('tcp'), names: service('udp') }),
    uciSection('globals', 'globals', { key: 'the.key.of.the.laboratory' }),
    uciSection('watchdog', 'told', { type: 'report', interval: '500ms', timeout: '2s', fall: '2' }),
  ].join('');
}

/** An operator who changes at random who serves. */
class Changes {
  readonly #control: ControlClient;
  readonly #random: Random;
  readonly #state: Map<Server, 'in use' | 'draining' | 'removed'>;

  constructor({ servers }: Lab, control: ControlClient) {
    this.#control = control;
    this.#random = new Random(seed);
    this.#state = new Map(servers.map((server) => [server, 'in use']));
  }

  /** The next change, made when this resolves. */
  async next(): Promise<string> {
    const inUse = [...this.#state.values()].filter((state) => state === 'in use').length;
    const possible = [...this.#state].flatMap(([server, state]) => this.#possible(server, state, inUse > fewest));
    const chosen = possible[this.#random.below(possible.length)];
    assert.ok(chosen);
    await chosen.perform();
    return chosen.what;
  }

  /** Milliseconds until the next one. */
  pause(): number {
    return this.#random.below(2_000);
  }

  #possible(server: Server, state: string, isSpare: boolean): { what: string; perform(): Promise<void> }[] {
    const { name, address } = server;
    const inEach = async (method: string, more: Readonly<Record<string, string | number>>) => {
      for (const service of ['web', 'names']) await this.#control.order(method, { server: name, service, ...more });
    };
    const deed = (what: string, next: 'in use' | 'draining' | 'removed', perform: () => Promise<void>) => ({
      what: `${what} ${name}`,
      perform: async () => {
        this.#state.set(server, next);
        await perform();
      },
    });
    const back = { address: address[4], address6: address[6], weight: 50 + this.#random.below(150) };
    if (state === 'removed') return [deed('add', 'in use', () => inEach('add_server', back))];
    if (state === 'draining') return [deed('back', 'in use', () => inEach('set_server', { state: 'auto' }))];
    const weight = 20 + this.#random.below(280);
    const changes = [deed(`weight ${weight} of`, 'in use', () => inEach('set_weight', { weight }))];
    if (!isSpare) return changes;
    return [
      ...changes,
      deed('drain', 'draining', () => inEach('set_server', { state: 'drain' })),
      deed('remove', 'removed', () => inEach('remove_server', {})),
    ];
  }
}

/** Resolves when no new connection is under way. */
async function streamEnded(lab: Lab, load: TrafficLoad, held: number): Promise<void> {
  load.stream([], 0);
  await eventually('the end of the new connections', patience + 3_000, async () => {
    const words = ['ss', '-Htn', 'state', 'established', 'state', 'syn-sent', 'dport', '=', `:${echoPort}`];
    const open = (await lab.wan.run(words)).split('\n').filter((line) => line !== '').length;
    return open === held ? true : undefined;
  });
}

for (const [dispatch, count, counts] of [
  ['broadcast', full ? 10 : 6, { tcp: 400, udp: 100, fresh: 50 }],
  ['multicast', full ? 4 : 2, { tcp: 100, udp: 20, fresh: 20 }],
] as const) {
  test(`${dispatch}: ${count} changes, one server late and one that hears half of it, break no connection`, () =>
    withLab({ servers: 4, bareServers: true, ghosts: [ghost[4], ghost[6]] }, async (lab) => {
      figure(`dispatch '${dispatch}', ONEIP_SEED=${seed}`);
      const [, late, lossy] = lab.servers;
      assert.ok(late && lossy);
      const config = configOf(lab, dispatch);
      const bus = await LabBus.start(lab.daemon.ubusSocket, {});
      try {
        await delayMessages(lab, late, delay);
        await loseEverySecondMessage(lossy);
        await recordAnswered(lab);
        await lab.daemon.start(config);
        const daemons = await startServerDaemons(lab, config);
        const control = await ControlClient.join(bus, 20_000);
        const ready = await everySlotOwned(lab, daemons, 'web', SLOTS, 30_000);
        figure(`all slots had owners after ${Math.round(ready.milliseconds)} ms: ${ready.result.join(', ')}`);
        // Whoever starts late on a busy machine, or hears late of the router, may have been missed until now.
        const heard = control.events.length;
        const clients = new HitlessClients(lab, counts, patience);
        await clients.open();
        const { load } = clients;
        const changes = new Changes(lab, control);
        const begin = clock();
        for (let change = 0; change < count; change++) {
          await elapse(changes.pause());
          const seconds = ((clock() - begin) / 1_000).toFixed(2);
          figure(`${seconds.padStart(6)} s  ${await changes.next()}`);
        }
        const settled = await everySlotOwned(lab, daemons, 'web', SLOTS, 15_000, fewest);
        figure(`all slots had owners ${Math.round(settled.milliseconds)} ms after the last: ${settled.result.join()}`);
        await streamEnded(lab, load, counts.tcp);
        await judge(lab, load, counts.tcp);
        assert.equal(
          control.events.slice(heard).filter(({ action }) => action === 'down'),
          [],
          'servers taken for dead',
        );
        await clients.end();
        control.close();
      } finally {
        await bus.stop();
      }
    }));
}

/** Nothing broke, every new connection was answered, and each by one server. */
async function judge(lab: Lab, load: TrafficLoad, held: number): Promise<void> {
  const { attempts, breaks, losses } = load;
  const accepted = await answeredBy(lab);
  const taken = [...(await takenBy(lab, 'web')).values()].reduce((total, packets) => total + packets, 0);
  const times = attempts.map(({ began, time }) => time - began).sort((one, other) => one - other);
  const waited = times.filter((time) => time > 900).length;
  figure(
    `${attempts.length} new connections, ${waited} of them with a SYN repeated, ${times.at(-1)?.toFixed(0)} ms at most; ` +
      `${taken} beginnings taken`,
  );
  assert.equal(breaks, [], 'connections and flows of datagrams broken');
  // Nobody repeats the first datagram of a flow whose slot is under way from one to another.
  assert.equal(
    losses.filter(({ server }) => server !== ''),
    [],
    'datagrams lost',
  );
  assert.equal(
    attempts.filter(({ reason }) => reason !== undefined),
    [],
    'new connections failed',
  );
  assert.equal(
    [...accepted].filter(([, servers]) => servers.length !== 1),
    [],
    'connections accepted by several',
  );
  assert.is(accepted.size, attempts.length + held, 'connections accepted');
  assert.is(taken, attempts.length + held, 'beginnings taken');
}

test.run();
