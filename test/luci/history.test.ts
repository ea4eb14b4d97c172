import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadModule } from './module.ts';

// Events and rates that the status page finds by comparing one look at the daemon with the next.

interface Event {
  readonly time: number;
  readonly action: string;
  readonly service?: string;
  readonly server?: string;
  readonly text?: string;
}

interface History {
  readonly events: readonly Event[];
  take(status: object, now: number): Event[];
  rates(service: string, server: string): readonly { readonly time: number; readonly rate: number }[];
}

interface HistoryModule {
  readonly SPAN: number;
  open(storage: Shelf): History;
}

/** What a browser keeps for a page. */
class Shelf {
  readonly kept = new Map<string, string>();
  full = false;

  getItem(key: string): string | null {
    return this.kept.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    if (this.full) throw new Error('QuotaExceededError');
    this.kept.set(key, value);
  }
}

const history = loadModule<HistoryModule>('oneip.history');
const start = Date.UTC(2026, 0, 1);
/** Seconds after the beginning, in milliseconds. */
const at = (seconds: number) => start + seconds * 1000;

interface ServerState {
  readonly state?: string;
  readonly reason?: string;
  readonly since?: number;
  readonly weight?: number;
  readonly packets?: number;
}

function server({
  state = 'up',
  reason = 'answers',
  since = 100,
  weight = 100,
  packets = 0,
}: ServerState = {}): object {
  return { state, reason, since, weight, packets };
}

function status(servers: Readonly<Record<string, object>>, uptime = 1000, service: object = {}): object {
  return { uptime, services: { web: { running: true, servers, ...service } } };
}

const test = suite('history');

test('the first look tells since when servers have their state', () => {
  const events = history
    .open(new Shelf())
    .take(status({ s1: server({ since: 60 }), s2: server({ since: 30 }) }), at(0));
  assert.equal(events, [
    { time: at(-60), action: 'up', service: 'web', server: 's1', text: 'answers' },
    { time: at(-30), action: 'up', service: 'web', server: 's2', text: 'answers' },
  ]);
});

test('a new state is an event at the time at which it began', () => {
  const seen = history.open(new Shelf());
  seen.take(status({ s1: server() }), at(0));
  assert.equal(seen.take(status({ s1: server({ since: 103 }) }, 1003), at(3)), []);
  const down = server({ state: 'down', reason: 'no answer', since: 2 });
  assert.equal(seen.take(status({ s1: down }, 1006), at(6)), [
    { time: at(4), action: 'down', service: 'web', server: 's1', text: 'no answer' },
  ]);
});

test('a server that went and came back between two looks is not missed', () => {
  const seen = history.open(new Shelf());
  seen.take(status({ s1: server() }), at(0));
  assert.equal(
    seen.take(status({ s1: server({ since: 1 }) }, 1006), at(6)).map(({ time, action }) => [time, action]),
    [[at(5), 'up']],
  );
});

test('whole seconds of the daemon are no change', () => {
  const seen = history.open(new Shelf());
  // Since 0.9 s at the first look, 3.8 s at the second: the daemon says 0 and 3.
  seen.take(status({ s1: server({ since: 0 }) }), at(0));
  assert.equal(seen.take(status({ s1: server({ since: 3 }) }, 1003), at(2.9)), []);
  assert.equal(seen.take(status({ s1: server({ since: 5 }) }, 1006), at(6.7)), []);
});

test('weights, servers and services that come and go, the end of a change', () => {
  const seen = history.open(new Shelf());
  const transition = { since: 1, until: 100, slots: 5, kept: {} };
  seen.take(status({ s1: server(), s2: server() }, 1000, { transition }), at(0));
  const told = (events: readonly Event[]) => events.map(({ action, server: name, text }) => [action, name, text]);
  assert.equal(told(seen.take(status({ s1: server({ weight: 50 }), s3: server({ since: 2 }) }, 1003), at(3))), [
    ['transition', undefined, undefined],
    ['weight', 's1', '100 → 50'],
    ['added', 's3', undefined],
    ['removed', 's2', undefined],
  ]);
  const inactive = { running: false, inactive: 'its device is absent' };
  assert.equal(told(seen.take(status({ s1: server({ weight: 50 }), s3: server() }, 1006, inactive), at(6))), [
    ['inactive', undefined, 'its device is absent'],
  ]);
  assert.equal(seen.take({ uptime: 1009, services: {} }, at(9)), [{ time: at(9), action: 'removed', service: 'web' }]);
});

test('a daemon that has started anew is one event, and its counters begin again', () => {
  const seen = history.open(new Shelf());
  seen.take(status({ s1: server({ packets: 900 }) }), at(0));
  const events = seen.take(status({ s1: server({ since: 2, packets: 1000 }) }, 2), at(10));
  assert.equal(events, [{ time: at(8), action: 'start' }]);
  assert.equal(seen.rates('web', 's1'), []);
  seen.take(status({ s1: server({ since: 5, packets: 1300 }) }, 5), at(13));
  assert.equal(seen.rates('web', 's1'), [{ time: at(13), rate: 100 }]);
});

test('what the kernel does not hold is told once', () => {
  const seen = history.open(new Shelf());
  const failing = { ...status({}), failing: 'nft: no' };
  assert.equal(seen.take(failing, at(0)), [{ time: at(0), action: 'failing', text: 'nft: no' }]);
  assert.equal(seen.take({ ...failing, uptime: 1003 }, at(3)), []);
});

test('rates are packets by the time between two looks; none over a long absence, none that are too old', () => {
  const seen = history.open(new Shelf());
  const look = (seconds: number, packets: number) =>
    seen.take(status({ s1: server({ since: 100 + seconds, packets }) }, 1000 + seconds), at(seconds));
  look(0, 100);
  look(3, 400);
  look(5, 400);
  assert.equal(seen.rates('web', 's1'), [
    { time: at(3), rate: 100 },
    { time: at(5), rate: 0 },
  ]);
  look(100, 99_999);
  assert.is(seen.rates('web', 's1').length, 2, 'an average of what nobody saw');
  const late = 4 + history.SPAN / 1000;
  look(late - 3, 100_000);
  look(late, 100_300);
  assert.equal(seen.rates('web', 's1'), [
    { time: at(5), rate: 0 },
    { time: at(late), rate: 100 },
  ]);
  assert.equal(seen.rates('web', 's9'), []);
});

test('another page of the same tab goes on where the last one was', () => {
  const shelf = new Shelf();
  history.open(shelf).take(status({ s1: server({ packets: 100 }) }), at(0));
  const next = history.open(shelf);
  assert.is(next.events.length, 1);
  assert.equal(next.take(status({ s1: server({ since: 103, packets: 400 }) }, 1003), at(3)), []);
  assert.equal(next.rates('web', 's1'), [{ time: at(3), rate: 100 }]);
});

test('a hundred events are kept, the last ones; no room, or rubbish in it, is no obstacle', () => {
  const shelf = new Shelf();
  const seen = history.open(shelf);
  for (let turn = 0; turn < 150; turn += 1) {
    seen.take(status({ s1: server({ since: 100 + turn, weight: turn }) }, 1000 + turn), at(turn));
  }
  assert.is(seen.events.length, 100);
  assert.is(seen.events.at(-1)?.text, '148 → 149');
  shelf.full = true;
  const events = seen.take(status({ s1: server({ since: 250, weight: 7 }) }, 1150), at(150));
  assert.is(events[0]?.text, '149 → 7');
  shelf.kept.set('oneip.history', '{"events":');
  assert.equal(history.open(shelf).events, []);
});

test.run();
