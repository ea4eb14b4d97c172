import { visit, type Broken, type Client } from './population.ts';
import type { Departure, Scene } from './scene.ts';

/** One sentence that held or did not. */
export interface Check {
  readonly held: boolean;
  readonly text: string;
}

/** A part of the demonstration: what is about to be seen, and, after it has happened, what was checked. */
export interface Step<Stage extends Scene = Scene> {
  readonly title: string;
  /** For somebody who sees this for the first time. */
  readonly explanation: string;
  /** True: nothing about it can be seen in the table. */
  readonly offstage?: boolean;
  run(scene: Stage): Promise<Check[]>;
}

/** Milliseconds after which a dead server must be out: two probes and their time-outs, on a busy machine. */
const LONGEST_DETECTION = 2_000;
/** The server that is removed and added, and drained by command. */
export const mover = 's2';
/** The server that dies. */
export const victim = 's3';

export const dispatch: Step = {
  title: 'Many clients, one address',
  explanation:
    'Every client asks the same address. The router hashes the client’s address to one of 4096 slots, and each ' +
    'slot belongs to a server. It forwards the packet unmodified; the server answers the client directly, from ' +
    'that same address. No connection is remembered anywhere in the router. Requests are made by curl and ' +
    'answered by nginx; besides, every client holds on to one TCP connection.',
  async run(scene) {
    const unconnected = await scene.connect();
    const unanswered = await scene.traffic();
    const broken = await scene.useConnections();
    const wandering = scene.clients.filter(
      ({ requests, held, lastServer }) => requests.size !== 1 || held?.server !== lastServer,
    );
    for (const client of scene.clients) client.home = client.lastServer ?? '';
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
  title: `${mover} is removed`,
  explanation:
    `In the UCI file, ${mover} gets “option enabled '0'”, and the daemon is told to reload (SIGHUP). The slots of ` +
    `${mover} are handed to the others, for new connections. Those that it has stay with it until they end: for that ` +
    'time, and for these slots only, the router remembers which connections are new.',
  async run(scene) {
    const milliseconds = await scene.remove(mover);
    const broken = await scene.useConnections();
    const unanswered = await scene.traffic();
    const moved = scene.clients.filter(({ home, lastServer }) => home !== mover && home !== lastServer);
    return [
      took(milliseconds),
      unbroken(scene, broken, `; ${heldBy(scene, mover)} of them go on with ${mover}`),
      check(unanswered, 'every request since then was answered, by another server', 'requests not answered'),
      check(moved, 'every client of the other servers stayed with its server', 'clients of other servers that moved'),
      evenShares(scene, scene.lab.servers.length - 1),
    ];
  },
};

const addition: Step = {
  title: `${mover} is added`,
  explanation:
    `The UCI file gets ${mover} back. Being a pure function of the configuration, the table is the one of before: ` +
    `exactly the former clients of ${mover} go back to it with their next connection, and the ones that they have go on.`,
  async run(scene) {
    const milliseconds = await scene.add(mover);
    const broken = await scene.useConnections();
    const unanswered = await scene.traffic();
    const elsewhere = await notAtHome(scene);
    return [
      took(milliseconds),
      unbroken(scene, broken),
      check(unanswered, 'every request since then was answered', 'requests not answered'),
      check(elsewhere, 'every client is back with the server it had at first', 'clients that are not where they were'),
      evenShares(scene, scene.lab.servers.length),
    ];
  },
};

/** A server's death, in one of its ways; `die` resolves with the milliseconds until it was out of service, `longest` at most. */
export function death<Stage extends Scene>(
  server: string,
  die: (scene: Stage) => Promise<number>,
  { longest = LONGEST_DETECTION, ...words }: Pick<Step, 'title' | 'explanation'> & { readonly longest?: number },
): Step<Stage> {
  return {
    ...words,
    async run(scene) {
      const held = heldBy(scene, server);
      const milliseconds = await die(scene);
      const broken = await scene.useConnections();
      const unanswered = await scene.traffic();
      const unconnected = await scene.connect();
      const moved = scene.clients.filter(({ home, lastServer }) => home !== server && home !== lastServer);
      return [
        { held: milliseconds <= longest, text: `out of service after ${milliseconds.toFixed(0)} ms` },
        onlyOf(server, broken, held),
        check(unanswered, 'every request since then was answered', 'requests not answered'),
        check(moved, 'every client of the other servers stayed with its server', 'clients of other servers that moved'),
        check(
          unconnected,
          `the clients of ${server} have new connections, to other servers`,
          'clients that could not connect again',
        ),
      ];
    },
  };
}

const failure = death(victim, (scene) => scene.kill(victim), {
  title: `${victim} dies`,
  explanation:
    `All programs of ${victim} are killed. The watchdog asks every server each 100 ms on the way that client packets go; ` +
    `two failed probes take ${victim} out. Only its slots move, so that nobody else notices.`,
});

/** Something after which every client is to be with the server that it had at first, no connection having broken. */
export function restoration<Stage extends Scene>(
  restore: (scene: Stage) => Promise<void>,
  words: Pick<Step, 'title' | 'explanation'>,
): Step<Stage> {
  return {
    ...words,
    async run(scene) {
      await restore(scene);
      const broken = await scene.useConnections();
      const unanswered = await scene.traffic();
      const elsewhere = await notAtHome(scene);
      return [
        unbroken(scene, broken),
        check(unanswered, 'every request since then was answered', 'requests not answered'),
        check(
          elsewhere,
          'every client is with the server that it had at first',
          'clients that are not where they were',
        ),
      ];
    },
  };
}

const returning = restoration((scene) => scene.revive(victim), {
  title: `${victim} returns`,
  explanation: `The watchdog finds ${victim} well again. Its clients go back to it as their connections end.`,
});

export const drain: Step = {
  title: `${mover} is drained by command`,
  explanation: 'The same as its removal, for the time being: by the command line, over ubus.',
  async run(scene) {
    await scene.order('drain', mover, '--reason', 'maintenance');
    const broken = await scene.useConnections();
    const unanswered = await scene.traffic();
    const visitors = scene.clients.filter(({ lastServer }) => lastServer === mover);
    return [
      unbroken(scene, broken, `; ${heldBy(scene, mover)} of them go on with ${mover}`),
      check(unanswered, 'every request since then was answered', 'requests not answered'),
      check(visitors, `${mover} gets no new connection`, `clients that still got ${mover}`),
    ];
  },
};

export const stop: Step = {
  title: 'The daemon stops',
  offstage: true,
  explanation:
    'Rules, routes, addresses, neighbours and settings of the router are compared with those from before its start.',
  run: async (scene) => (await scene.end()).map(departed),
};

export const allSteps: readonly Step[] = [dispatch, removal, addition, failure, returning, drain, stop];

function departed({ name, status, differences }: Departure): Check {
  const isSame = differences.length === 0;
  return {
    held: isSame && status === 0,
    text: isSame
      ? `${name} is as it was; its daemon ended with status ${status}`
      : `left behind on ${name}: ${differences.join(', ')}`,
  };
}

export function check(exceptions: readonly unknown[], held: string, otherwise: string): Check {
  return exceptions.length === 0
    ? { held: true, text: held }
    : { held: false, text: `${otherwise}: ${exceptions.length}` };
}

/**
 * Clients that are not with the server that they had at first. While a change is digested, a connection that happens to have the
 * port of an earlier one follows that one's record; the client's next connection has another port, so that whoever is elsewhere
 * is asked once more.
 */
async function notAtHome({ clients }: Scene): Promise<Client[]> {
  const isElsewhere = ({ home, lastServer }: Client) => home !== lastServer;
  const suspects = clients.filter(isElsewhere);
  await visit(suspects);
  return suspects.filter(isElsewhere);
}

function took(milliseconds: number): Check {
  return { held: true, text: `edited and reloaded in ${milliseconds.toFixed(0)} ms` };
}

function heldBy({ clients }: Scene, server: string): number {
  return clients.filter(({ held }) => held?.server === server).length;
}

export function unbroken({ clients }: Scene, broken: readonly Broken[], more = ''): Check {
  return { held: broken.length === 0, text: `connections broken: ${broken.length} of ${clients.length}${more}` };
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
