import type { Broken, Client } from './population.ts';
import { readRouterState, stateDifferences } from './router-state.ts';
import type { Scene } from './scene.ts';

/** One sentence that held or did not. */
export interface Check {
  readonly held: boolean;
  readonly text: string;
}

/** A part of the demonstration: what is about to be seen, and, after it has happened, what was checked. */
export interface Step {
  readonly title: string;
  /** For somebody who sees this for the first time. */
  readonly explanation: string;
  /** True: nothing about it can be seen in the table. */
  readonly offstage?: boolean;
  run(scene: Scene): Promise<Check[]>;
}

/** Milliseconds of traffic to look at in each step. */
const watching = 5_000;
/** The server that is removed and added. */
const victim = 's2';

const dispatch: Step = {
  title: 'Many clients, one address',
  explanation:
    'Every client asks the same address. The router hashes the client’s address to one of 4096 slots, and each ' +
    'slot belongs to a server. It forwards the packet unmodified; the server answers the client directly, from ' +
    'that same address. No connection is remembered anywhere in the router. Requests are made by curl and ' +
    'answered by nginx; besides, every client holds on to one TCP connection.',
  async run(scene) {
    const unconnected = await scene.connect();
    const unanswered = await scene.traffic(watching);
    const broken = await scene.useConnections();
    const wandering = scene.clients.filter(
      ({ requests, held, lastServer }) => requests.size !== 1 || held?.server !== lastServer,
    );
    return [
      check(unanswered, 'every request was answered', 'requests not answered'),
      check(unconnected, 'every client got its connection', 'clients that could not connect'),
      check(
        wandering,
        'each client met one server only, with all its requests and its connection',
        'clients that met several servers',
      ),
      check(broken, 'no connection broke', 'connections that broke'),
      evenShares(scene, scene.lab.servers.length),
      lanClients(scene.clients),
    ];
  },
};

const removal: Step = {
  title: `${victim} is removed`,
  explanation:
    `In the UCI file, ${victim} gets “option enabled '0'”, and the daemon is told to reload (SIGHUP). Only the ` +
    `slots of ${victim} are handed to the others. Its clients lose the connections they had with it; nobody ` +
    'else notices.',
  async run(scene) {
    for (const client of scene.clients) client.home = client.lastServer ?? '';
    const ofVictim = scene.clients.filter(({ held }) => held?.server === victim).length;
    const milliseconds = await scene.remove(victim);
    const broken = await scene.useConnections();
    const unanswered = await scene.traffic(watching);
    const unconnected = await scene.connect();
    const moved = scene.clients.filter(({ home, lastServer }) => home !== victim && home !== lastServer);
    return [
      { held: true, text: `edited and reloaded in ${milliseconds.toFixed(0)} ms` },
      onlyOf(victim, broken, ofVictim),
      check(unanswered, 'every request since then was answered', 'requests not answered'),
      check(moved, 'every client of the other servers stayed with its server', 'clients of other servers that moved'),
      check(
        unconnected,
        `the clients of ${victim} have new connections, to other servers`,
        'clients that could not connect again',
      ),
      evenShares(scene, scene.lab.servers.length - 1),
    ];
  },
};

const addition: Step = {
  title: `${victim} comes back`,
  explanation:
    `The UCI file gets ${victim} back. Being a pure function of the configuration, the table is the one of ` +
    `before: exactly the former clients of ${victim} go back to it. Their slots move at once, so the ` +
    'connections that they have opened meanwhile break; all others stay.',
  async run(scene) {
    const expected = new Set(scene.clients.filter(({ home, held }) => home === victim && held));
    const milliseconds = await scene.add(victim);
    const broken = await scene.useConnections();
    const unexpected = broken.filter(({ client }) => !expected.has(client));
    const unanswered = await scene.traffic(watching);
    const elsewhere = scene.clients.filter(({ home, lastServer }) => home !== lastServer);
    const unconnected = await scene.connect();
    return [
      { held: true, text: `edited and reloaded in ${milliseconds.toFixed(0)} ms` },
      {
        held: unexpected.length === 0,
        text:
          `connections of clients that moved: ${broken.length - unexpected.length} of ${expected.size} broke; ` +
          `of clients that stayed: ${unexpected.length} of ${scene.clients.length - expected.size}`,
      },
      check(unanswered, 'every request since then was answered', 'requests not answered'),
      check(
        elsewhere,
        `every client is back with the server it had at first; ${victim} serves again`,
        'clients that are not where they were',
      ),
      check(
        unconnected,
        `the clients of ${victim} hold connections to it again`,
        'clients that could not connect again',
      ),
      evenShares(scene, scene.lab.servers.length),
    ];
  },
};

const stop = (untouched: ReadonlyMap<string, string>): Step => ({
  title: 'The daemon stops',
  offstage: true,
  explanation: 'Rules, routes, neighbours and settings of the router are compared with those from before its start.',
  async run(scene) {
    const status = await scene.lab.daemon.stop();
    const differences = stateDifferences(untouched, await readRouterState(scene.lab.router));
    return [
      { held: status === 0, text: `it ended with status ${status}` },
      {
        held: differences.length === 0,
        text: differences.length === 0 ? 'the router is as it was' : `left behind: ${differences.join(', ')}`,
      },
    ];
  },
});

/** All steps in order; `untouched` is the router's state before the daemon was started. */
export function allSteps(untouched: ReadonlyMap<string, string>): Step[] {
  return [dispatch, removal, addition, stop(untouched)];
}

function check(exceptions: readonly unknown[], held: string, otherwise: string): Check {
  return exceptions.length === 0
    ? { held: true, text: held }
    : { held: false, text: `${otherwise}: ${exceptions.length}` };
}

function onlyOf(server: string, broken: readonly Broken[], held: number): Check {
  const others = broken.filter((one) => one.server !== server).length;
  const own = broken.length - others;
  return {
    held: others === 0 && own === held && held > 0,
    text: `connections broken: ${own} of the ${held} with ${server}, ${others} of all others`,
  };
}

/** Clients are few, so chance alone makes their shares uneven: four standard deviations are allowed. */
function evenShares(scene: Scene, servers: number): Check {
  const clients = scene.clients.length;
  const even = 1 / servers;
  const allowed = 4 * Math.sqrt((even * (1 - even)) / clients);
  const shares = [...scene.shares()]
    .filter(([, count]) => count > 0)
    .map(([name, count]) => ({ name, share: count / clients }));
  const held = shares.length === servers && shares.every(({ share }) => Math.abs(share - even) <= allowed);
  const list = shares.map(({ name, share }) => `${name} ${(share * 100).toFixed(1)} %`).join(', ');
  const bound = `${(even * 100).toFixed(1)} ± ${(allowed * 100).toFixed(1)} %`;
  return { held, text: `the clients are spread evenly: ${list} (chance allows ${bound})` };
}

function lanClients(clients: readonly Client[]): Check {
  const local = clients.filter(({ place }) => place !== 'internet');
  const served = local.filter(({ lastServer }) => lastServer !== undefined).length;
  return {
    held: served === local.length,
    text: `clients of the servers’ own LAN and of the guest LAN are served too: ${served} of ${local.length}`,
  };
}
