/** What a daemon makes of a bus that has gone mad: it lives, keeps what it has, returns, and goes on with its work. */
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MessageType, encodeMessage } from '../../src/ubus/message.ts';
import { Random } from '../unit/support/random.ts';
import { Mutator } from '../unit/ubus-fuzz-mutator.ts';
import { LabBus } from './bus.ts';
import { ControlClient } from './control-client.ts';
import { withLab, type Lab } from './lab.ts';
import { Oracle, configuration, eventually, figure, spreadClients, whoAnswers } from './scenario.ts';
import { echoPort } from './servers.ts';
import { FuzzBus, delivery, invocation, type Guest } from './ubus-fuzz-bus.ts';
import { uciSection } from './uci.ts';

const SEED = 20_260_215;
const full = (globalThis as { ONEIP_FULL?: boolean }).ONEIP_FULL === true;
/** Mutated messages in frames, one after the other on a connection; what goes out of step comes on top. */
const ROUNDS = full ? 20 : 2;
const MESSAGES_A_ROUND = 500;
/** Calls whose answers show that all before them has been read. */
const BETWEEN_CALLS = 50;
/** KiB that the heap may have grown between the first round and the last. */
const GROWTH = 1024;

/** `web`, which nobody touches, and `play`, to whose servers everything happens; no bit makes one name of the other. */
function services(lab: Lab): string {
  const [, , third, fourth] = lab.servers;
  assert.ok(third && fourth);
  const web = configuration(lab, { web: { servers: ['s1', 's2'], options: { port: [80, echoPort], source: ['wan'] } } })
    // Its servers only: the others have other names here.
    .replace(/config server 's[34]'\n(\t.*\n)*/g, '');
  return [
    web,
    uciSection('service', 'play', { ghost: lab.ghosts, proto: 'tcp', port: 8000, source: 'wan', device: 'br-lan' }),
    uciSection('server', 'gamma', { service: 'play', address: third.address[4], address6: third.address[6] }),
    uciSection('server', 'omega', { service: 'play', address: fourth.address[4], address6: fourth.address[6] }),
    uciSection('watchdog', 'told', { type: 'ubus', service: 'play' }),
  ].join('\n');
}

/** Right messages of all kinds that a daemon gets, to be made wrong. */
function corpusFor({ object, listener }: Pick<Guest, 'object' | 'listener'>): Uint8Array[] {
  const place = { server: 'gamma', service: 'play' };
  const call = (method: string, args: Parameters<typeof invocation>[2]) => invocation(object, method, args);
  const bare = (type: number, attributes: Parameters<typeof encodeMessage>[0]['attributes']) =>
    encodeMessage({ type, seq: 1, peer: 0, attributes });
  return [
    call('status', { service: 'play' }),
    call('get_stats', {}),
    call('set_server', { ...place, state: 'down', timeout: 60, reason: 'said so', persist: false }),
    call('set_server', { ...place, state: 'drain', timeout: 1 }),
    call('set_server', { ...place, state: 'up' }),
    call('set_server', { server: 'gamma', state: 'auto', persist: true }),
    call('set_weight', { ...place, weight: 50, persist: false }),
    call('add_server', {
      server: 'extra',
      service: 'play',
      address: '192.168.1.77',
      address6: 'fd00:1::77',
      weight: 7,
    }),
    call('remove_server', { server: 'extra', service: 'play', drain: true, persist: false }),
    call('simulate', { service: 'play', client: '198.18.0.1', port: 8000 }),
    call('plan', {}),
    call('check', {}),
    call('reload', {}),
    call('dump', {}),
    delivery(listener, 'oneip.watchdog', { server: 'gamma', service: 'play', state: 'down', reason: 'x', ttl: 2 }),
    delivery(listener, 'oneip.watchdog', { server: 'gamma', state: 'up', ttl: 0.5 }),
    delivery(listener, 'ubus.object.add', { id: 5, path: 'network.interface' }),
    bare(MessageType.notify, { objectId: object, active: true }),
    bare(MessageType.unsubscribe, { objectId: listener, target: object }),
    bare(MessageType.status, { status: 0, objectId: object, subscribers: [object, listener] }),
    bare(MessageType.data, { objectId: object, objectType: 5, signature: new Uint8Array(), data: new Uint8Array() }),
    bare(MessageType.lookup, { objectPath: 'oneip' }),
    bare(MessageType.hello, {}),
  ];
}

interface Holding {
  /** KiB. */
  readonly heap: number;
  readonly descriptors: number;
}

function holdingOf(pid: number): Holding {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return {
    heap: Number(/^Anonymous:\s+(\d+) kB/m.exec(rollup)?.[1]),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}

/** Sends what stays in step, and asks now and then whether anybody is still there. */
async function harass(guest: Guest, mutator: Mutator): Promise<void> {
  for (let count = 1; count <= MESSAGES_A_ROUND; count++) {
    await guest.send(mutator.nextFramed());
    if (count % BETWEEN_CALLS === 0) assert.is(await guest.call('status'), 0);
  }
}

/**
 * Brings the servers of `play` back to what the configuration says, and looks at what the daemon holds then; with no more than
 * `descriptors`, once what is asked about the servers at that moment has been answered.
 */
async function quiet(lab: Lab, config: string, bus: FuzzBus, descriptors = Infinity): Promise<Holding> {
  await lab.daemon.reload(config);
  const guest = await bus.welcome();
  await guest.call('remove_server', { server: 'extra', drain: false });
  for (const server of ['gamma', 'omega']) await guest.call('set_server', { server, state: 'auto' });
  assert.is(await guest.call('reload'), 0);
  assert.is(await guest.call('status'), 0);
  const { result } = await eventually(`no more than ${descriptors} descriptors`, 5_000, () => {
    const holding = holdingOf(lab.daemon.process.pid);
    return Promise.resolve(holding.descriptors <= descriptors ? holding : undefined);
  });
  await guest.close();
  return result;
}

test('the daemon survives a bus that sends nonsense', () =>
  withLab({ servers: 4 }, async (lab) => {
    const config = services(lab);
    const random = new Random(SEED);
    const bus = await FuzzBus.start(lab.daemon.ubusSocket);
    await lab.daemon.start(config);
    const before: Holding[] = [];
    let strays = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const guest = await bus.welcome();
      const mutator = new Mutator(corpusFor(guest), random);
      await harass(guest, mutator);
      // Half a message, and nothing more.
      const whole = mutator.nextFramed();
      await guest.send(whole.subarray(0, 1 + random.below(whole.length - 1)));
      await guest.close();

      const spoilt = await bus.welcome();
      const outOfStep = new Mutator(corpusFor(spoilt), random);
      for (let count = 0; count < 50 && !spoilt.ended(); count++, strays++) await spoilt.send(outOfStep.next());
      await spoilt.close();

      await bus.betray((answer) => new Mutator([answer], random).next(), 8);
      if (round === 0 || round === ROUNDS - 1) before.push(await quiet(lab, config, bus, before[0]?.descriptors));
    }
    const [first, last] = before;
    assert.ok(first && last);
    figure(
      `seed ${SEED}: ${ROUNDS * MESSAGES_A_ROUND} mutated messages in frames, ${strays} out of step, ${ROUNDS} times mutated answers; ` +
        `heap ${first.heap} KiB after the first round, ${last.heap} KiB after the last; ` +
        `${last.descriptors} descriptors; ${lab.daemon.log.length} lines of log`,
    );
    assert.ok(last.descriptors <= first.descriptors);
    assert.ok(last.heap - first.heap <= GROWTH, `${first.heap} → ${last.heap} KiB`);
    assert.equal(bus.complaints, []);
    await bus.stop();
    await isInOrder(lab, config);
    for (const line of lab.daemon.log) {
      assert.ok(line.length < 500, line);
      // Of a stack, which means that something was thrown that nobody had thought of.
      assert.not.match(line, /^\s+at /);
    }
    assert.is(await lab.daemon.stop(), 0);
  }));

/** On an ordinary bus it answers again, and clients get the servers that they should. */
async function isInOrder(lab: Lab, config: string): Promise<void> {
  const bus = await LabBus.start(lab.daemon.ubusSocket, {});
  const control = await ControlClient.join(bus, 20_000);
  try {
    const { services, failing } = await control.status();
    assert.is(failing, undefined);
    assert.equal(Object.keys(services).sort(), ['play', 'web']);
    const states = Object.entries(services.web?.servers ?? {}).map(([name, { state, weight }]) => [
      name,
      state,
      weight,
    ]);
    assert.equal(states, [
      ['s1', 'up', 100],
      ['s2', 'up', 100],
    ]);
    const oracle = new Oracle(config);
    const [ghost = ''] = lab.ghosts;
    for (const client of spreadClients(4, 24)) {
      const answer = await whoAnswers(lab, lab.wan, 'tcp', client, ghost, echoPort);
      assert.is(answer.server, oracle.server('web', client));
    }
  } finally {
    control.close();
    await bus.stop();
  }
}

test.run();
