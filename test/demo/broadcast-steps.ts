import type { BroadcastScene } from './broadcast-scene.ts';
import { connectionsBy } from './population.ts';
import { check, death, dispatch, drain, mover, restoration, stop, unbroken, victim } from './steps.ts';
import type { Check, Step } from './steps.ts';

type BroadcastStep = Step<BroadcastScene>;

/** The server whose power fails. */
const unpowered = 's4';
/** Milliseconds of traffic without the router's daemon: longer than servers wait for one before they help themselves. */
const headless = 3_500;
/** Milliseconds after which others must have the slots of a dead server, on a busy machine; it may have to be silent for 4.5 s. */
const LONGEST_MOVE = 6_000;

/** The same step with one check more: no connection that began in it was taken by two servers, or by none. */
function once(step: BroadcastStep): BroadcastStep {
  return {
    ...step,
    async run(scene) {
      const before = { taken: await scene.taken(), had: connectionsBy(scene.clients) };
      const checks = await step.run(scene);
      const after = { taken: await scene.taken(), had: connectionsBy(scene.clients) };
      const counts = [...after.taken].map(([name, taken]) => ({
        name,
        taken: taken - (before.taken.get(name) ?? 0),
        had: (after.had.get(name) ?? 0) - (before.had.get(name) ?? 0),
      }));
      return [...checks, takenOnce(counts)];
    },
  };
}

function takenOnce(counts: readonly { readonly name: string; readonly taken: number; readonly had: number }[]): Check {
  const connections = counts.reduce((sum, { had }) => sum + had, 0);
  const wrong = counts.filter(({ taken, had }) => taken !== had);
  const list = (wrong.length > 0 ? wrong : counts)
    .map(({ name, taken, had }) => (taken === had ? `${name} ${taken}` : `${name} took ${taken} and had ${had}`))
    .join(', ');
  return wrong.length === 0
    ? { held: true, text: `each of ${connections} new connections was taken by one server: ${list}` }
    : { held: false, text: `connections that were taken by several servers, or by one that did not answer: ${list}` };
}

const flooding: BroadcastStep = {
  ...dispatch,
  explanation:
    'Every client asks the same address. The router sends each packet to all servers, in a frame to everybody, and decides ' +
    'nothing. Each server hashes the client’s address to one of 4096 slots: a connection that begins is taken by the server ' +
    'that has the slot, everything else by the server that has the connection, and all others drop it. Requests are made by ' +
    'curl and answered by nginx; besides, every client holds on to one TCP connection.',
};

const programs: BroadcastStep = death(victim, (scene) => scene.kill(victim), {
  title: `The programs of ${victim} die`,
  explanation:
    `All programs of ${victim} are killed, and the watchdog on the router finds that out. It takes the slots back from ` +
    `${victim}, whose daemon confirms that it has them no more, and only then are they given to others: no slot ever has ` +
    'two owners.',
  longest: LONGEST_MOVE,
});

const programsBack: BroadcastStep = restoration((scene) => scene.revive(victim), {
  title: `The programs of ${victim} are back`,
  explanation: `The watchdog finds ${victim} well again. Its clients go back to it as their connections end.`,
});

const power: BroadcastStep = death(unpowered, (scene) => scene.cutPower(unpowered), {
  title: `The power of ${unpowered} fails`,
  explanation:
    `Now ${unpowered} is gone altogether, and confirms nothing. Its slots are given to others when it has been silent for ` +
    'longer than it would have kept them without hearing that the router hears it.',
  longest: LONGEST_MOVE,
});

const powerBack: BroadcastStep = restoration((scene) => scene.restorePower(unpowered), {
  title: `The power of ${unpowered} is back`,
  explanation: `${unpowered} starts with no slots, and is given its own once the others have confirmed that they gave them up.`,
});

const draining: BroadcastStep = {
  ...drain,
  explanation:
    `The slots of ${mover} go to the others; the connections that it has stay with it, since every server keeps what is ` +
    'its own. The router need not remember which ones those are.',
};

const drained: BroadcastStep = restoration((scene) => scene.order('auto', mover), {
  title: `${mover} is taken back into service`,
  explanation: 'The order is withdrawn. Connections that its clients have made elsewhere go on where they are.',
});

const crash: BroadcastStep = {
  title: 'The router’s daemon is killed',
  explanation:
    'The kernel goes on sending each packet to all servers, and the servers go on with the slots that they have, for as ' +
    'long as no router tells them otherwise.',
  async run(scene) {
    await scene.crashRouter();
    const slots = await scene.slots();
    const unanswered = await scene.traffic(headless);
    const broken = await scene.useConnections();
    const elsewhere = scene.clients.filter(({ home, lastServer }) => home !== lastServer);
    const changed = [...(await scene.slots())].filter(([name, count]) => slots.get(name) !== count);
    return [
      unbroken(scene, broken),
      check(unanswered, 'every request was answered', 'requests not answered'),
      check(elsewhere, 'every client stayed with its server', 'clients that moved'),
      check(changed, `every server kept its slots for ${headless / 1000} s and more`, 'servers with other slots'),
    ];
  },
};

const restart: BroadcastStep = restoration((scene) => scene.restartRouter(), {
  title: 'The router’s daemon starts again',
  explanation: 'It waits for what the servers say they have, finds that this is what it wants, and moves nothing.',
});

const stopAll: BroadcastStep = {
  ...stop,
  title: 'All daemons stop',
  explanation:
    'Rules, routes, addresses, neighbours and settings of the router and of the servers are compared with those from before ' +
    'their start.',
};

export const broadcastSteps: readonly BroadcastStep[] = [
  once(flooding),
  once(programs),
  once(programsBack),
  once(power),
  // Its counters begin anew with its filter.
  powerBack,
  once(draining),
  once(drained),
  once(crash),
  once(restart),
  stopAll,
];
