import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { WritableTable } from '../../src/ubus/blobmsg.ts';
import type { UbusClient } from '../../src/ubus/client.ts';
import { LabBus } from '../lab/bus.ts';
import { withControl } from '../lab/control-client.ts';
import { Daemon } from '../lab/daemon.ts';
import { byPing, byTcp, forgetful, timeCuts, timeKills } from '../lab/detection.ts';
import { withLab } from '../lab/lab.ts';
import { processorTime } from '../lab/processor-time.ts';
import { watched } from '../lab/watchdog-lab.ts';
import { BenchLab, ghost, serverAddress } from './bench-lab.ts';
import { isCount, runBenchmark } from './program.ts';
import { oneipConfig, serviceName } from './service.ts';
import { formatInterval, markdownTable, medianInterval } from './statistics.ts';

const usage = `usage: make bench BENCH=failover [ARGS="…"]

Times orders from the call on the bus to the answer, which comes when the kernel holds the new table (4096 slots): a server
that fails and comes back, one that is drained and comes back, another weight. Then the detection of failures, until the
daemon tells of the new table: a process that is killed, a cable that is cut.

  --servers N[,N…]  servers of the service (default 4,64; 1–64)
  --services N      services with all of them (default 1); with more, a server fails in one of them and in all, and
                    nothing is detected
  --rounds N        how often each order is given (default 21)
  --json            machine-readable result on standard output
`;

/** An order that is timed, and what undoes it. */
interface Order {
  readonly name: string;
  /** Milliseconds that its median may take with 64 servers; absent: nothing is wanted. */
  readonly wanted?: number;
  readonly method: string;
  /** Absent: the same. */
  readonly undoMethod?: string;
  give(server: string): WritableTable;
  undo(server: string): WritableTable;
}

const orders: readonly Order[] = [
  {
    name: 'a server goes down',
    wanted: 25,
    method: 'set_server',
    give: (server) => ({ server, state: 'down' }),
    undo: (server) => ({ server, state: 'auto' }),
  },
  {
    name: 'a server drains',
    method: 'set_server',
    // Its connections are given up soon: each round begins without a change under way.
    give: (server) => ({ server, state: 'drain' }),
    undo: (server) => ({ server, state: 'auto' }),
  },
  {
    name: 'half the weight',
    method: 'set_weight',
    give: (server) => ({ server, weight: 50 }),
    undo: (server) => ({ server, weight: 100 }),
  },
  {
    name: 'a server leaves, another joins',
    method: 'remove_server',
    undoMethod: 'add_server',
    give: (server) => ({ server, service: serviceName }),
    undo: (server) => ({
      server,
      service: serviceName,
      address: serverAddress(4, Number(server.replace('server', ''))),
    }),
  },
];

/** With several services. */
const ordersOfMany: readonly Order[] = [
  {
    name: 'a server goes down in one service',
    method: 'set_server',
    give: (server) => ({ server, service: serviceName, state: 'down' }),
    undo: (server) => ({ server, service: serviceName, state: 'auto' }),
  },
  {
    name: 'a server goes down in all services',
    method: 'set_server',
    give: (server) => ({ server, state: 'down' }),
    undo: (server) => ({ server, state: 'auto' }),
  },
];

interface Result {
  readonly servers: number;
  readonly order: string;
  readonly direction: 'given' | 'undone';
  /** What the median may be; absent: nothing is wanted. */
  readonly wanted?: number;
  /** Milliseconds. */
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly worst: number;
  /** Milliseconds of a processor that the daemon has used for it, on average; absent: not measured. */
  readonly processor?: number;
}

async function call(client: UbusClient, method: string, args: WritableTable): Promise<number> {
  const begin = performance.now();
  await client.call('oneip', method, args);
  return performance.now() - begin;
}

/** Resolves when no service keeps old connections any more; at once where none does. */
async function settled(client: UbusClient): Promise<void> {
  for (;;) {
    let tell: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => (tell = resolve));
    const listener = client.listen('oneip', (_, { action }) => {
      if (action === 'transition') tell();
    });
    const { services } = (await client.call('oneip', 'status')) as {
      services: Record<string, { transition?: unknown }>;
    };
    const isSettled = Object.values(services).every(({ transition }) => transition === undefined);
    if (!isSettled) await ended;
    listener.cancel();
    if (isSettled) return;
  }
}

async function measure(servers: number, services: number, rounds: number): Promise<Result[]> {
  const cpu = availableParallelism() - 1;
  const lab = new BenchLab({ servers, clients: 1, family: 4, sender: 'raw', cpu, target: ghost });
  await lab.build();
  await lab.knowServers();
  const daemon = new Daemon(lab.router, join(lab.folder, 'router'));
  const bus = await LabBus.start(daemon.ubusSocket, {});
  await daemon.start(
    oneipConfig(lab, services).replaceAll(
      'list source',
      "option idle_timeout '1s'\n\toption learn_time '0s'\n\tlist source",
    ),
  );
  const client = bus.client();
  await client.whenReady();
  const results: Result[] = [];
  for (const order of services === 1 ? orders : ordersOfMany) {
    let processor = 0;
    const times = { given: [] as number[], undone: [] as number[] };
    for (let round = 0; round < rounds; round++) {
      process.stderr.write(`${servers} servers, ${order.name}: ${round + 1} of ${rounds}\n`);
      const server = `server${1 + (round % servers)}`;
      await settled(client);
      const before = processorTime(daemon.process.pid);
      times.given.push(await call(client, order.method, order.give(server)));
      processor += (processorTime(daemon.process.pid) - before) / rounds;
      await settled(client);
      times.undone.push(await call(client, order.undoMethod ?? order.method, order.undo(server)));
    }
    for (const direction of ['given', 'undone'] as const) {
      const { median, low, high } = medianInterval(times[direction]);
      const wanted = servers === 64 && direction === 'given' ? order.wanted : undefined;
      results.push({
        ...{ servers, order: order.name, direction, median, low, high, worst: Math.max(...times[direction]) },
        ...(wanted === undefined ? {} : { wanted }),
        ...(direction === 'given' ? { processor } : {}),
      });
    }
  }
  client.close();
  await daemon.stop();
  await bus.stop();
  await lab.remove();
  return results;
}

/** Failures that are found by the daemon itself, in a lab with real servers. */
async function detect(rounds: number): Promise<Result[]> {
  const results: Result[] = [];
  const note = (servers: number, order: string, times: readonly number[], wanted: number) => {
    const { median, low, high } = medianInterval(times);
    results.push({ servers, order, direction: 'given', wanted, median, low, high, worst: Math.max(...times) });
  };
  process.stderr.write(`${rounds} killed processes\n`);
  await withLab({ servers: 8 }, (lab) =>
    withControl(lab, watched(lab, byTcp), async (control) => {
      note(8, 'a killed process, tcp', (await timeKills(lab, control, rounds)).out, 500);
    }),
  );
  for (const servers of [4, 16]) {
    process.stderr.write(`${rounds} cut cables, ${servers} servers\n`);
    await withLab({ servers }, (lab) =>
      withControl(lab, watched(lab, byPing, { service: forgetful }), async (control) => {
        note(servers, 'a cut cable', await timeCuts(lab, control, rounds), 50);
      }),
    );
  }
  return results;
}

function format(results: readonly Result[]): string {
  const lines = results.map(({ servers, order, direction, wanted, median, low, high, worst, processor }) => {
    const verdict =
      low <= (wanted ?? 0) && high > (wanted ?? 0) ? 'cannot tell' : median <= (wanted ?? 0) ? 'held' : 'missed';
    const wish = wanted === undefined ? '' : `${wanted}: ${verdict}`;
    const name = direction === 'given' ? order : `${order}, undone`;
    return [
      String(servers),
      name,
      formatInterval({ median, low, high }, 1),
      worst.toFixed(1),
      processor?.toFixed(0) ?? '',
      wish,
    ];
  });
  return markdownTable([['servers', 'what, ms', 'median', 'worst', 'processor', 'wanted at most'], ...lines]);
}

runBenchmark({
  usage,
  defaults: { servers: '4,64', services: '1', rounds: '21' },
  read(valueOf) {
    const servers = valueOf('servers').split(',').map(Number);
    const [services, rounds] = [Number(valueOf('services')), Number(valueOf('rounds'))];
    const areFit = isCount(services, 100) && isCount(rounds) && servers.every((count) => isCount(count, 64));
    return areFit ? { servers, services, rounds } : undefined;
  },
  async measure({ servers, services, rounds }) {
    const results: Result[] = [];
    for (const count of servers) results.push(...(await measure(count, services, rounds)));
    if (services === 1) results.push(...(await detect(rounds)));
    return results;
  },
  format,
});
