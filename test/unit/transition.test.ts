import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NOBODY } from '../../src/allocation/table.ts';
import { finish, isDrained, nextDeadline, observe, progress, step } from '../../src/transition/state.ts';
import type { Change, Party, TransitionState } from '../../src/transition/state.ts';
import type { KeptCounters } from '../../src/transition/tally.ts';
import { TransitionKernel } from './support/transition-kernel.ts';

// Single cases, each with what it is about; random ones are in transition-packets.test.ts.

const POLICY = {
  onChange: 'keep' as const,
  onFailure: 'pass' as const,
  drainTimeout: 3_600_000,
  idleTimeout: 300_000,
  learnTime: 30_000,
};

const SECOND = 1000;

/** `a b -`: who has slot 0, 1 and 2; `-` is nobody. */
function party(owners: string, servers = 'a b c d'): Party {
  const names = servers.split(' ');
  const slots = owners.split(' ').map((owner) => (owner === '-' ? NOBODY : names.indexOf(owner)));
  return { tables: { 4: Uint16Array.from(slots) }, servers: names.map((name) => ({ name })) };
}

interface Options extends Partial<Omit<Change, 'before' | 'after' | 'alive'>> {
  readonly dead?: string;
}

function change(before: string, after: string, { dead = '', ...options }: Options = {}): Change {
  return {
    service: POLICY,
    before: party(before),
    after: party(after),
    alive: (server) => !dead.includes(server),
    now: 0,
    ...options,
  };
}

function counters(kept: Record<string, bigint> = {}, reset = 0n, silence = 0n): KeptCounters {
  return { kept: new Map(Object.entries(kept)), reset, silence };
}

/** The history of each slot, `–` where it has none. */
function histories(state: TransitionState | undefined, family: 4 | 6 = 4): string[] {
  const table = state?.transition.tables[family];
  if (!table) return [];
  return [...table.slots].map((index) => {
    const history = table.histories[index];
    if (!history) return '–';
    const { current, unknown, visited, learning } = history;
    const other = typeof unknown === 'string' ? unknown : unknown.server;
    return [current, other, `[${visited.join(' ')}]`, ...(learning === undefined ? [] : [`learns ${learning}`])].join(
      ' ',
    );
  });
}

/** A state that must be there. */
function present(state: TransitionState | undefined): TransitionState {
  assert.ok(state);
  return state;
}

function namesIn({ transition }: TransitionState): string[] {
  return transition.recorded.map(({ server }) => server);
}

test('a slot that moves keeps what it had; others are in no transition', () => {
  const state = step(undefined, change('a b c', 'b b c'));
  assert.equal(histories(state), ['b a [a] learns a', '–', '–']);
  assert.equal(namesIn(present(state)), ['a', 'b']);
});

test('it is told to end with drain_timeout, also where learning would take longer', () => {
  const service = { ...POLICY, drainTimeout: 10 * SECOND };
  const state = present(step(undefined, { ...change('a b c', 'b b c'), service }));
  assert.is(progress(state, 0).until, 10);
  assert.is(progress(state, 4 * SECOND).until, 6);
  assert.is(observe(state, counters(), 10 * SECOND), undefined);
});

test('nothing begins where nothing moves, nobody was, or nobody is', () => {
  assert.is(step(undefined, change('a b -', 'a b a')), undefined);
  assert.is(step(undefined, change('a b c', '- b c')), undefined);
  const state = step(undefined, change('a b c', 'b b c'));
  assert.is(step(state, change('b b c', '- b c')), undefined);
});

test('three changes in one second: every server that had the slot is remembered, the first for the unknown', () => {
  let state = step(undefined, change('a', 'b'));
  state = step(state, change('b', 'c', { now: 300 }));
  state = step(state, change('c', 'd', { now: 600 }));
  assert.equal(histories(state), ['d a [a b c] learns a']);
  state = step(state, change('d', 'a', { now: 900 }));
  assert.equal(histories(state), ['a a [b c d]']);
});

test('once the first change is learnt, the next is learnt anew', () => {
  const first = present(step(undefined, change('a', 'b')));
  assert.is(nextDeadline(first), POLICY.learnTime);
  const learnt = observe(first, counters({ a: 1n }), POLICY.learnTime);
  assert.equal(histories(learnt), ['b a [a]']);
  assert.equal(histories(step(learnt, change('b', 'c', { now: 40 * SECOND }))), ['c a [a b] learns b']);
});

test('a failure moves slots without a transition, or gives the lost connections their answer', () => {
  assert.is(step(undefined, change('a', 'b', { dead: 'a' })), undefined);
  for (const onFailure of ['reset', 'drop'] as const) {
    const service = { ...POLICY, onFailure };
    const state = step(undefined, change('a', 'b', { dead: 'a', service }));
    assert.equal(histories(state), [`b ${onFailure} []`]);
    // Back again: connections since the failure stay where they are.
    const back = step(state, change('b', 'a', { service, now: 5 * SECOND }));
    assert.equal(histories(back), [`a ${onFailure} [b] learns b`]);
  }
});

test('a server that fails while its connections are kept is forgotten, and its records with it', () => {
  const state = step(undefined, change('a c', 'b d'));
  const after = step(state, change('b d', 'b d', { dead: 'a', now: SECOND }));
  assert.equal(histories(after), ['–', 'd c [c] learns c']);
  assert.equal(present(after).transition.recorded, [
    { server: 'a', emptied: 1 },
    { server: 'b', emptied: 1 },
    { server: 'c', emptied: 0 },
    { server: 'd', emptied: 0 },
  ]);
  const again = present(step(after, change('b d', 'a d', { now: 2 * SECOND })));
  assert.is(again.transition.recorded.find(({ server }) => server === 'a')?.emptied, 1, 'emptied once');
  const gone = step(after, { ...change('b d', 'b d'), after: party('b d', 'b c d') });
  assert.equal(namesIn(present(gone)), ['b', 'c', 'd'], 'no member any more');
  const service = { ...POLICY, onFailure: 'drop' as const };
  assert.equal(histories(step(state, change('b d', 'b d', { dead: 'a', service }))), ['b drop []', 'd c [c] learns c']);
});

test('a server that is in the configuration no more is dead, whatever is said of it', () => {
  const state = step(undefined, change('a', 'b'));
  const gone = step(state, { ...change('b', 'b'), after: party('b', 'b c d') });
  assert.is(gone, undefined);
});

test('on_change reset: connections of moved slots get a RST, those since the change none', () => {
  const service = { ...POLICY, onChange: 'reset' as const };
  const state = present(step(undefined, change('a b', 'b b', { service })));
  assert.equal(histories(state), ['b reset []', '–']);
  const again = step(state, change('b b', 'c b', { service, now: SECOND }));
  assert.equal(histories(again), ['c reset []', '–']);
});

test('a step that changes nothing returns the same state; servers in another order are the same', () => {
  const state = present(step(undefined, change('a b c', 'b b c')));
  assert.is(step(state, change('b b c', 'b b c', { now: SECOND })), state);
  assert.is(step(state, { ...change('b b c', 'b b c'), after: party('b b c', 'c b a d') }), state);
  assert.is(observe(state, counters(), SECOND), state);
  const read = present(observe(state, counters({ a: 3n }), SECOND));
  assert.is.not(read, state);
  assert.is(read.transition, state.transition);
});

test('the drain time-out ends what is kept, whatever still moves', () => {
  const state = present(step(undefined, change('a', 'b')));
  const late = POLICY.drainTimeout - 1;
  let busy: TransitionState | undefined = state;
  for (let now = SECOND; now <= late; now += 100 * SECOND)
    busy = observe(present(busy), counters({ a: BigInt(now) }), now);
  busy = observe(present(busy), counters({ a: BigInt(late) }), late);
  assert.equal(histories(busy), ['b a [a]']);
  assert.is(isDrained(present(busy), 'a'), false);
  assert.is(observe(present(busy), counters({ a: 1n << 40n }), POLICY.drainTimeout), undefined);
  // A step at that time ends it as well.
  assert.is(step(busy, change('b', 'b', { now: POLICY.drainTimeout })), undefined);
});

test('a server is done when its counter has rested for the idle time', () => {
  const state = present(step(undefined, change('a c', 'b d')));
  const busy = present(observe(state, counters({ a: 5n }), 100 * SECOND));
  const later = observe(busy, counters({ a: 5n }), 300 * SECOND);
  assert.equal(histories(later), ['b a [a]', '–']);
  assert.is(isDrained(present(later), 'c'), true);
  assert.is(nextDeadline(present(later)), 400 * SECOND);
  assert.is(observe(present(later), counters({ a: 5n }), 400 * SECOND), undefined);
});

test('a server is not idle in slots that have just been taken from it', () => {
  const state = step(undefined, change('a a', 'b a'));
  const again = present(step(state, change('b a', 'b b', { now: 299 * SECOND })));
  const seen = observe(again, counters(), 300 * SECOND);
  assert.equal(histories(seen), ['b a [a]', 'b a [a] learns a']);
});

test('a counter that begins anew is not less than nothing', () => {
  const state = present(step(undefined, change('a', 'b')));
  const high = present(observe(state, counters({ a: 100n }), SECOND));
  const low = present(observe(high, counters({ a: 7n }), 2 * SECOND));
  assert.equal(progress(low, 5 * SECOND).kept, [{ server: 'a', packets: 107n, idle: 3 }]);
});

test('answers end as servers do: when nobody asks any more', () => {
  const service = { ...POLICY, onFailure: 'reset' as const };
  const state = present(step(undefined, change('a', 'b', { dead: 'a', service })));
  const busy = present(observe(state, counters({}, 4n), 200 * SECOND));
  assert.is(nextDeadline(busy), 500 * SECOND);
  assert.is(observe(busy, counters({}, 4n), 499 * SECOND), busy);
  assert.is(observe(busy, counters({}, 4n), 500 * SECOND), undefined);
});

test('a drain can be cut short, and nothing else ends', () => {
  const state = present(step(undefined, change('a c', 'b d')));
  const cut = present(finish(state, 'a'));
  assert.equal(histories(cut), ['–', 'd c [c] learns c']);
  assert.ok(isDrained(cut, 'a'));
  assert.is(finish(cut, 'c'), undefined);
  assert.is(finish(state, 'b'), state);
});

test('what is told of it', () => {
  const state = present(step(undefined, change('a a c', 'b b d')));
  const read = present(observe(state, counters({ a: 12n }), 10 * SECOND));
  assert.equal(progress(read, 12_500), {
    since: 12,
    until: 3588,
    slots: 3,
    kept: [
      { server: 'a', packets: 12n, idle: 2 },
      { server: 'c', packets: 0n, idle: 12 },
    ],
  });
});

test('families that share a table share what becomes of it; others do not', () => {
  const both = (owners: string, owners6 = owners): Party => {
    const { tables, servers } = party(owners);
    return {
      tables: {
        4: tables[4] ?? new Uint16Array(),
        6: owners === owners6 ? (tables[4] ?? new Uint16Array()) : (party(owners6).tables[4] ?? new Uint16Array()),
      },
      servers,
    };
  };
  const common = { service: POLICY, alive: () => true, now: 0 };
  const shared = present(step(undefined, { ...common, before: both('a b'), after: both('b b') }));
  assert.is(shared.transition.tables[4], shared.transition.tables[6]);
  const parted = present(step(shared, { ...common, before: both('b b'), after: both('b b', 'c b') }));
  assert.equal(histories(parted, 4), ['b a [a] learns a', '–']);
  assert.equal(histories(parted, 6), ['c a [a b] learns a', '–']);
  assert.equal(namesIn(parted), ['a', 'b', 'c']);
  assert.is(progress(parted, 0).slots, 1);
  const [one] = [present(finish(parted, 'b'))];
  assert.equal(histories(one, 6), ['c a [a] learns a', '–']);
});

test('a family that comes or goes has no past', () => {
  const state = present(step(undefined, change('a', 'b')));
  const tables = { 4: Uint16Array.of(1), 6: Uint16Array.of(2) };
  const more = present(step(state, { ...change('b', 'b'), after: { ...party('b'), tables } }));
  assert.equal(Object.keys(more.transition.tables), ['4']);
  assert.is(
    step(state, { ...change('b', 'b'), after: { ...party('b'), tables: { 6: Uint16Array.of(2) } } }),
    undefined,
  );
});

/** A connection that sends at the given times, through changes at theirs: where its packets go. */
function follow(
  policy: typeof POLICY,
  moves: readonly (readonly [number, string])[],
  sends: readonly number[],
): string[] {
  const kernel = new TransitionKernel(policy.drainTimeout, policy.idleTimeout);
  const [first, ...others] = moves;
  let owner = first?.[1] ?? '';
  let state: TransitionState | undefined;
  kernel.load([owner], undefined);
  const events = [...others.map(([at, to]) => ({ at, to })), ...sends.map((at) => ({ at, to: undefined }))];
  const fates: string[] = [];
  for (const { at, to } of events.sort((one, other) => one.at - other.at)) {
    while (state && nextDeadline(state) <= at) {
      state = observe(state, kernel.counters(), nextDeadline(state));
      kernel.load([owner], state?.transition);
    }
    if (to === undefined) {
      const flag = at === sends[0] ? { flag: 'syn' as const } : {};
      const fate = kernel.send({ flow: 'one', protocol: 'tcp', slot: 0, ...flag }, at);
      fates.push(typeof fate === 'object' ? fate.server : fate);
    } else {
      state = step(state, change(owner, to, { service: policy, now: at }));
      owner = to;
      kernel.load([owner], state?.transition);
    }
  }
  return fates;
}

test('a silent connection from between two changes is still known when the first one is long over', () => {
  const policy = { ...POLICY, drainTimeout: 100 * SECOND, idleTimeout: 300 * SECOND };
  const moves = [
    [0, 'a'],
    [SECOND, 'b'],
    [95 * SECOND, 'c'],
  ] as const;
  assert.equal(follow(policy, moves, [2 * SECOND, 194 * SECOND]), ['b', 'b']);
});

test('a connection outlives its record where a slot never rests', () => {
  const policy = { ...POLICY, drainTimeout: 100 * SECOND };
  const flaps = Array.from(
    { length: 20 },
    (_, turn) => [(turn + 1) * 90 * SECOND, turn % 2 === 0 ? 'b' : 'c'] as const,
  );
  const sends = Array.from({ length: 25 }, (_, turn) => 91 * SECOND + turn * 60 * SECOND);
  assert.equal(new Set(follow(policy, [[0, 'a'], ...flaps], sends)), new Set(['b']));
});

test('4096 slots of 64 servers: few histories, in little time', () => {
  const names = Array.from({ length: 64 }, (_, index) => `web${index}`);
  const before = Uint16Array.from({ length: 4096 }, (_, slot) => slot % 64);
  const after = before
    .map((owner, slot) => (owner === 5 ? (slot >> 6) % 64 : owner))
    .map((owner) => (owner === 5 ? 6 : owner));
  const servers = names.map((name) => ({ name }));
  const moved = {
    service: POLICY,
    alive: () => true,
    now: 0,
    before: { tables: { 4: before, 6: before }, servers },
    after: { tables: { 4: after, 6: after }, servers },
  };
  const begun = Date.now();
  const state = present(step(undefined, moved));
  const taken = Date.now() - begun;
  console.log(`# drain of one of 64 servers, 4096 slots: ${taken} ms`);
  assert.is(progress(state, 0).slots, 64);
  assert.is(state.transition.tables[4]?.histories.length, 63);
  assert.is(state.transition.recorded.length, 64);
});

test.run();
