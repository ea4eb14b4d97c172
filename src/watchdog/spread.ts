/** Milliseconds. Turns are taken together that fall into one such time: to wake up costs more than to ask a server. */
export const GRAIN = 20;

/** Probes with the same interval are asked in bursts of so many: whatever is asked next finds the processor's caches warm. */
const BURST = 32;

/** A question that is put to a server again and again. */
interface Question {
  readonly server: object;
  /** Milliseconds. */
  readonly interval: number;
}

/** Where a question has its turn among those with the same interval. */
export interface Place<Q> {
  readonly question: Q;
  /** Milliseconds of its interval, from the start. */
  readonly phase: number;
  /** Place in the order of turns, from 0 … */
  readonly index: number;
  /** … and how many there are. */
  readonly count: number;
}

/**
 * Spreads the questions of each interval over it in bursts, as few as will do, in their order, but those to one server far from
 * each other: whichever comes first finds its death.
 */
export function spread<Q extends Question>(questions: Iterable<Q>): Place<Q>[] {
  const groups = new Map<number, Map<object, Q[]>>();
  for (const question of questions) {
    const { server, interval } = question;
    const group = groups.get(interval) ?? new Map<object, Q[]>();
    const own = group.get(server) ?? [];
    own.push(question);
    groups.set(interval, group.set(server, own));
  }
  return [...groups].flatMap(([interval, byServer]) => {
    const lists = [...byServer.values()];
    const most = Math.max(...lists.map(({ length }) => length));
    const turns = inTurns(lists, most);
    const bursts = Math.min(most * Math.ceil(turns.length / most / BURST), Math.floor(interval / GRAIN));
    return turns.map((question, index) => {
      const burst = Math.floor((bursts * index) / turns.length);
      return { question, phase: Math.floor((interval * burst) / bursts), index, count: turns.length };
    });
  });
}

/** The first of each list, then the second of each, and so on. */
function inTurns<T>(lists: readonly (readonly T[])[], longest: number): T[] {
  return Array.from({ length: longest }, (_, turn) => lists.flatMap((list) => list.slice(turn, turn + 1))).flat();
}
