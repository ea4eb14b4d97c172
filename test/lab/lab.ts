import { join } from 'node:path';
import { Daemon } from './daemon.ts';
import type { Namespace } from './namespace.ts';
import { sweepDeadLabs } from './namespace.ts';
import { startServers, type ServerPrograms } from './servers.ts';
import { buildTopology, type Topology, type TopologyOptions } from './topology.ts';
import { TrafficClient } from './traffic.ts';

/** A network with its servers' programs running, and a daemon that has not been started yet. */
export interface Lab extends Topology {
  readonly programs: readonly ServerPrograms[];
  readonly daemon: Daemon;
  /** The traffic client of a namespace, started on first use. */
  traffic(namespace: Namespace): TrafficClient;
}

let swept = false;

/** Builds a network, starts its servers, runs `body`, and removes everything whether or not it throws. */
export async function withLab(options: TopologyOptions, body: (lab: Lab) => Promise<void>): Promise<void> {
  if (!swept) sweepDeadLabs();
  swept = true;
  const topology = await buildTopology(options);
  const daemon = new Daemon(topology.router, join(topology.folder, 'router'));
  try {
    const clients = new Map<Namespace, TrafficClient>();
    await body({
      ...topology,
      programs: await startServers(topology),
      daemon,
      traffic: (namespace) => {
        const client = clients.get(namespace) ?? new TrafficClient(namespace);
        clients.set(namespace, client);
        return client;
      },
    });
  } catch (error) {
    const log = daemon.started ? `\nThe daemon's last words:\n${daemon.process.tail()}` : '';
    if (error instanceof Error) error.stack = `${error.stack ?? error.message}${log}`;
    throw error;
  } finally {
    await topology.remove();
  }
}
