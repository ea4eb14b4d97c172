import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Answer, Drill, unwell, web, well } from './watchdog-drill.ts';

const alive = "option type 'tcp'\noption interval '100ms'\noption timeout '100ms'\nlist server 'anna'";

const steady = `${alive}\noption half_life '0'`;

/** Answers that change with time: `[from, answer]`, the last that has begun holds. */
const script =
  (...parts: readonly (readonly [from: number, answer: Answer])[]) =>
  (_: unknown, at: number): Answer =>
    parts.filter(([from]) => from <= at).at(-1)?.[1];

test('judgement: a server is up until it has been asked', () => {
  const drill = new Drill(web(alive));
  assert.is(drill.verdict(), 'up: not probed yet');
  assert.is(drill.verdict('bert'), 'up: not watched');
  assert.is(drill.verdict('carl'), 'unknown');
  assert.equal(drill.monitor.verdict('web', 'anna'), {
    up: true,
    reason: 'not probed yet',
    since: 1000,
    damped: false,
  });
});

test('judgement: down after so many failures in a row, from the very first', () => {
  const drill = new Drill(web(`${alive}\noption fall '2'`));
  drill.answer = () => unwell;
  drill.run(1050);
  assert.is(drill.verdict(), 'up: not judged yet');
  drill.run(1150);
  assert.equal(drill.changes, [{ at: 1101, text: 'web/anna down: w1: status 503' }]);
  const health = drill.monitor.verdict('web', 'anna');
  assert.is(health?.since, 1101);
  assert.equal(health?.lastProbe, { at: 1101, result: { passed: false, reason: 'status 503' } });
});

test('judgement: one success among failures begins the count anew', () => {
  const drill = new Drill(web(`${alive}\noption fall '3'`));
  drill.answer = (_, at) => (Math.floor(at / 100) % 3 === 0 ? well : unwell);
  drill.run(20_000);
  assert.equal(drill.changes, []);
  assert.ok(drill.started.length > 180);
});

test('judgement: back after so many successes in a row, one failure among them begins the count anew', () => {
  const drill = new Drill(web(`${alive}\noption fall '1'\noption rise '3'`));
  drill.answer = script([0, unwell], [2000, well], [2200, unwell], [2300, well]);
  drill.run(3000);
  assert.equal(drill.changes, [
    { at: 1001, text: 'web/anna down: w1: status 503' },
    { at: 2501, text: 'web/anna up: w1: answered' },
  ]);
});

test('judgement: silence is a failure when its time is over', () => {
  const drill = new Drill(web(`${alive}\noption fall '2'`));
  drill.answer = script([0, well], [2000, undefined]);
  drill.run(5000);
  assert.equal(drill.changes, [{ at: 2200, text: 'web/anna down: w1: timed out' }]);
});

test('judgement: up while all watchdogs are content, each by its own count', () => {
  const drill = new Drill(
    web(`${steady}\noption fall '1'\noption rise '1'`, `${steady}\noption fall '4'\noption rise '5'`),
  );
  drill.answer = script([0, well], [2000, unwell], [2100, well], [3000, unwell], [3500, well]);
  drill.run(2050);
  assert.is(drill.verdict(), 'down: w1: status 503');
  drill.run(2150);
  assert.is(drill.verdict(), 'up: w1: answered');
  drill.run(3650);
  assert.is(drill.verdict(), 'down: w2: status 503');
  drill.run(4000);
  assert.equal(
    drill.changes.map(({ at }) => at),
    [2001, 2101, 3001, 3901],
  );
  assert.is(drill.started.length, 31, 'both share their probe');
});

test('judgement: up while it answers for all its ghost addresses, and the reason says which one is lost', () => {
  const uci = web(`${alive}\noption fall '1'`).replace("list port '80'", "list ghost '192.0.2.9'\n\tlist port '80'");
  const drill = new Drill(uci);
  drill.answer = ({ target }) => (target.ghost.text === '192.0.2.9' ? undefined : well);
  drill.run(1500);
  assert.is(drill.verdict(), 'down: w1: timed out (192.0.2.9)');
});

test('judgement: back only when it answers for all of them, though some have not failed often enough to take it down', () => {
  const uci = web(`${steady}\noption fall '2'\noption rise '2'`).replace(
    "list port '80'",
    "list ghost '192.0.2.9'\n\tlist port '80'",
  );
  const drill = new Drill(uci);
  // The second one fails once before the first has come back, and would fail again afterwards.
  const first = script([0, well], [2000, unwell], [2300, well]);
  const second = script([0, well], [2300, unwell], [2500, well]);
  drill.answer = (probe, at) => (probe.target.ghost.text === '192.0.2.1' ? first : second)(probe, at);
  drill.run(4000);
  assert.equal(
    drill.changes.map(({ text }) => text.slice(0, 13)),
    ['web/anna down', 'web/anna up: '],
  );
  assert.ok((drill.changes[1]?.at ?? 0) > 2500);
});

test('judgement: services share a probe and its verdict, but not those of others', () => {
  const uci = `${web("option type 'ping'\noption fall '1'", "option type 'tcp'\noption fall '1'")}
config service 'tls'
	list ghost '192.0.2.1'
	list port '443'
`.replaceAll("list service 'web'", "list service 'web'\n\tlist service 'tls'");
  const drill = new Drill(uci);
  drill.answer = ({ check, target }) =>
    (check.type === 'tcp' && target.port === 443) || (check.type === 'ping' && target.server === 'bert')
      ? unwell
      : well;
  drill.run(2500);
  assert.is(drill.verdict('anna', 'web').slice(0, 2), 'up');
  assert.is(drill.verdict('anna', 'tls'), 'down: w2: status 503');
  assert.is(drill.verdict('bert', 'web'), 'down: w1: status 503');
  assert.is(drill.verdict('bert', 'tls').slice(0, 4), 'down');
});

test('judgement: the last probe of a server, whichever watchdog asked', () => {
  const drill = new Drill(web(`${alive}\noption port '1'`, `${alive}\noption port '2'`));
  drill.answer = ({ target }) => (target.port === 1 ? well : { passed: true, after: 7, reason: 'slow' });
  drill.run(1999);
  const health = drill.monitor.verdict('web', 'anna');
  assert.is(health?.reason, 'w2: slow');
  assert.equal(health?.lastProbe?.result, { passed: true, reason: 'slow' });
});

test('evidence: down at once, and up again when the same source says so', () => {
  for (const source of ['neighbour', 'link', 'icmp'] as const) {
    const drill = new Drill(web());
    drill.note(drill.monitor.accuse(source, 'anna', 'br-lan', 'port lan2 is down', 1000));
    assert.is(drill.verdict(), 'down: port lan2 is down');
    assert.is(drill.verdict('bert').slice(0, 2), 'up');
    for (const other of (['neighbour', 'link', 'icmp'] as const).filter((other) => other !== source)) {
      assert.equal(drill.monitor.acquit(other, 'anna', 'br-lan', 1001), []);
    }
    drill.now = 1002;
    drill.note(drill.monitor.acquit(source, 'anna', 'br-lan', 1002));
    assert.equal(drill.changes, [
      { at: 1000, text: 'web/anna down: port lan2 is down' },
      { at: 1002, text: 'web/anna up: not watched' },
    ]);
  }
});

test('evidence: several sources, of which each must take back its own', () => {
  const { monitor } = new Drill(web());
  assert.is(monitor.accuse('link', 'anna', 'br-lan', 'no carrier', 1000).length, 1);
  assert.is(monitor.accuse('neighbour', 'anna', 'br-lan', 'not resolved', 1000).length, 0);
  assert.is(monitor.acquit('link', 'anna', 'br-lan', 1000).length, 0);
  assert.is(monitor.verdict('web', 'anna')?.reason, 'not resolved');
  assert.is(monitor.acquit('neighbour', 'anna', 'br-lan', 1000).length, 1);
});

test('evidence: of another device, another server or nobody changes nothing', () => {
  const { monitor } = new Drill(web());
  assert.equal(monitor.accuse('link', 'anna', 'eth1', 'x', 1000), []);
  assert.equal(monitor.accuse('link', 'zoe', 'br-lan', 'x', 1000), []);
  assert.equal(monitor.acquit('link', 'zoe', 'br-lan', 1000), []);
  assert.is(monitor.verdict('web', 'anna')?.up, true);
});

test('evidence: against a server in all its services on the device, not on another', () => {
  const uci = `${web()}
config service 'dmz'
	list ghost '192.0.2.2'
	option device 'br-dmz'

config service 'tls'
	list ghost '192.0.2.3'
`.replace("list service 'web'", "list service 'web'\n\tlist service 'dmz'\n\tlist service 'tls'");
  const { monitor } = new Drill(uci);
  const changed = monitor.accuse('link', 'anna', 'br-lan', 'no carrier', 1000);
  assert.equal(
    changed.map(({ service }) => service),
    ['web', 'tls'],
  );
  assert.is(monitor.verdict('dmz', 'anna')?.up, true);
});

test('evidence: of a family counts where clients of that family are served', () => {
  const uci = web().replace("option address '192.168.1.11'", "$&\n\toption address6 '2001:db8:1::11'");
  const { monitor } = new Drill(uci);
  assert.equal(monitor.accuse('neighbour', 'anna', 'br-lan', 'not resolved', 1000, 6), []);
  assert.is(monitor.accuse('neighbour', 'anna', 'br-lan', 'not resolved', 1000, 4).length, 1);
  assert.equal(monitor.acquit('neighbour', 'anna', 'br-lan', 1000, 6), []);
  assert.is(monitor.acquit('neighbour', 'anna', 'br-lan', 1000, 4).length, 1);
});

test('evidence: a probe that was sent afterwards and answered takes it back, one under way does not', () => {
  const drill = new Drill(web(`${alive}\noption fall '5'`));
  drill.answer = () => ({ passed: true, after: 60 });
  drill.run(1030);
  drill.note(drill.monitor.accuse('icmp', 'anna', 'br-lan', 'port unreachable', 1030));
  drill.run(1090);
  assert.is(drill.verdict(), 'down: port unreachable');
  drill.run(1200);
  assert.equal(
    drill.changes.map(({ at, text }) => `${at} ${text}`),
    ['1030 web/anna down: port unreachable', '1160 web/anna up: w1: answered'],
  );
});

test('evidence: of one family is contradicted by probes of that family only', () => {
  const uci = web(alive)
    .replace("list ghost '192.0.2.1'", "$&\n\tlist ghost '2001:db8::1'")
    .replace("option address '192.168.1.11'", "$&\n\toption address6 '2001:db8:1::11'");
  const drill = new Drill(uci);
  drill.answer = ({ target }, at) => (target.ghost.family === 4 || at > 2000 ? well : { passed: true, after: 99 });
  drill.note(drill.monitor.accuse('neighbour', 'anna', 'br-lan', 'not resolved', 1000, 6));
  drill.run(1080);
  assert.is(drill.verdict(), 'down: not resolved');
  drill.run(1300);
  assert.is(drill.verdict().slice(0, 2), 'up');
});

test('evidence: a server that stays dead is down without interruption until it has answered often enough', () => {
  const drill = new Drill(web(`${alive}\noption fall '3'\noption rise '2'`));
  drill.run(2000);
  drill.answer = () => undefined;
  drill.note(drill.monitor.accuse('link', 'anna', 'br-lan', 'no carrier', 2000));
  drill.run(5000);
  assert.is(drill.changes.length, 1);
  drill.answer = () => well;
  drill.note(drill.monitor.acquit('link', 'anna', 'br-lan', 5000));
  assert.is(drill.verdict(), 'down: w1: timed out');
  drill.run(6000);
  assert.is(drill.changes.length, 2);
});

test('evidence: what was lost while the link was down does not count once it is up again', () => {
  const drill = new Drill(web(`${alive}\noption fall '2'`));
  drill.run(1950);
  drill.answer = () => undefined;
  drill.note(drill.monitor.accuse('link', 'anna', 'br-lan', 'no carrier', 1950));
  drill.run(2150);
  assert.is(drill.monitor.verdict('web', 'anna')?.lastProbe?.result.passed, false, 'one has failed');
  drill.answer = () => well;
  drill.note(drill.monitor.acquit('link', 'anna', 'br-lan', 2150));
  drill.run(5000);
  assert.equal(
    drill.changes.map(({ at, text }) => `${at} ${text.slice(0, 13)}`),
    ['1950 web/anna down', '2150 web/anna up: '],
    'neither that failure nor the probe under way takes it down again',
  );
  drill.answer = () => undefined;
  drill.run(5400);
  assert.is(drill.verdict(), 'down: w1: timed out', 'later ones do');
});

test('evidence: an ICMP error against a server that no probe watches is forgotten after 10 s, other evidence is not', () => {
  for (const watchdog of [undefined, "option type 'arp'\noption interval '1h'", "option type 'ubus'"]) {
    const drill = new Drill(watchdog === undefined ? web() : web(watchdog));
    drill.note(drill.monitor.accuse('icmp', 'anna', 'br-lan', 'port unreachable', 1000));
    drill.run(10_999);
    assert.is(drill.verdict(), 'down: port unreachable');
    drill.run(11_000);
    assert.is(drill.verdict().slice(0, 2), 'up');
  }
  const drill = new Drill(web());
  drill.note(drill.monitor.accuse('link', 'anna', 'br-lan', 'no carrier', 1000));
  drill.run(1_000_000);
  assert.is(drill.verdict(), 'down: no carrier');
});

test('evidence: who is accused is asked within a second, however long the interval', () => {
  const drill = new Drill(web("option type 'ping'\noption interval '1h'"));
  drill.run(10_000);
  drill.note(drill.monitor.accuse('icmp', 'anna', 'br-lan', 'host unreachable', 10_000));
  drill.run(11_010);
  assert.equal(
    drill.changes.map(({ at }) => at),
    [10_000, 11_001],
  );
});

test('reports: count at once, and hold for their time', () => {
  const drill = new Drill(web());
  drill.note(drill.monitor.report({ server: 'anna', up: false, reason: 'disk full' }, 1000));
  drill.run(60_999);
  assert.is(drill.verdict(), 'down: disk full');
  drill.run(70_000);
  assert.equal(drill.changes, [
    { at: 1000, text: 'web/anna down: disk full' },
    { at: 61_000, text: 'web/anna up: not watched' },
  ]);
});

test('reports: their time is that of the report, else of the watchdog', () => {
  const drill = new Drill(web("option type 'ubus'\noption ttl '5s'"));
  drill.note(drill.monitor.report({ server: 'anna', up: false }, 1000));
  drill.note(drill.monitor.report({ server: 'bert', up: false, ttl: 2000 }, 1000));
  drill.run(10_000);
  assert.equal(drill.changes, [
    { at: 1000, text: 'web/anna down: reported down' },
    { at: 1000, text: 'web/bert down: reported down' },
    { at: 3000, text: 'web/bert up: not watched' },
    { at: 6000, text: 'web/anna up: not watched' },
  ]);
});

test('reports: a new one takes the place of the one before, and its time', () => {
  const drill = new Drill(web());
  drill.note(drill.monitor.report({ server: 'anna', up: false, ttl: 5000 }, 1000));
  drill.run(4000);
  drill.note(drill.monitor.report({ server: 'anna', up: false, reason: 'still', ttl: 5000 }, 4000));
  drill.run(8000);
  assert.is(drill.verdict(), 'down: still');
  drill.note(drill.monitor.report({ server: 'anna', up: true, reason: 'repaired' }, 8000));
  assert.is(drill.verdict(), 'up: repaired');
});

test('reports: overrule no probe, and are overruled by none', () => {
  const drill = new Drill(web(`${alive}\noption fall '1'`));
  drill.run(1500);
  drill.note(drill.monitor.report({ server: 'anna', up: false, reason: 'overloaded' }, 1500));
  drill.run(2000);
  assert.is(drill.verdict(), 'down: overloaded');
  drill.answer = () => unwell;
  drill.run(2500);
  drill.note(drill.monitor.report({ server: 'anna', up: true }, 2500));
  assert.is(drill.verdict(), 'down: w1: status 503');
});

test('reports: of one service, of an unknown server, and without time', () => {
  const { monitor } = new Drill(web());
  assert.equal(monitor.report({ server: 'anna', service: 'tls', up: false }, 1000), []);
  assert.equal(monitor.report({ server: 'zoe', up: false }, 1000), []);
  assert.equal(monitor.report({ server: 'anna', up: false, ttl: 0 }, 1000), []);
  assert.is(monitor.report({ server: 'anna', service: 'web', up: false }, 1000).length, 1);
});

test('reload: who is down stays down, and counts go on', () => {
  const uci = web(`${alive}\noption fall '4'\noption rise '4'`);
  const drill = new Drill(uci);
  drill.answer = () => unwell;
  drill.run(1250);
  drill.configure(uci);
  drill.run(1350);
  assert.is(drill.verdict(), 'down: w1: status 503', 'three failures before the reload, one after it');
  drill.configure(uci);
  drill.configure(uci.replace("address '192.168.1.12'", "address '192.168.1.13'"));
  assert.is(drill.verdict(), 'down: w1: status 503');
  assert.is(drill.changes.length, 1);
});

test('reload: thresholds that change hold at once', () => {
  const uci = (fall: number): string => web(`${alive}\noption fall '${fall}'`);
  const drill = new Drill(uci(10));
  drill.answer = () => unwell;
  drill.run(1550);
  assert.is(drill.verdict(), 'up: not judged yet');
  drill.configure(uci(5));
  assert.is(drill.verdict(), 'down: w1: status 503');
});

test('reload: another name for a watchdog makes no difference', () => {
  const uci = web(`${alive}\noption fall '1'`);
  const drill = new Drill(uci);
  drill.answer = () => unwell;
  drill.run(1050);
  drill.configure(uci.replace("'w1'", "'renamed'"));
  assert.is(drill.verdict(), 'down: renamed: status 503');
});

test('reload: nor does it for one that has begun to answer', () => {
  const uci = web(`${alive}\noption fall '1'\noption rise '3'`);
  const drill = new Drill(uci);
  drill.answer = script([0, unwell], [1100, well]);
  drill.run(1250);
  drill.configure(uci.replace("'w1'", "'renamed'"));
  assert.is(drill.verdict().slice(0, 4), 'down');
  drill.run(1350);
  assert.is(drill.verdict(), 'up: renamed: answered');
});

test('reload: a service that moves to another device forgets nothing', () => {
  const drill = new Drill(web(`${alive}\noption fall '1'`));
  drill.answer = script([0, unwell], [2000, well]);
  drill.run(1250);
  drill.note(drill.monitor.report({ server: 'bert', up: false, reason: 'disk full' }, 1250));
  drill.configure(web(`${alive}\noption fall '1'`).replace("list port '80'", "$&\n\toption device 'br-dmz'"));
  assert.is(drill.verdict('anna'), 'down: w1: status 503');
  assert.is(drill.verdict('bert'), 'down: disk full');
  drill.run(2500);
  assert.is(drill.verdict('anna'), 'up: w1: answered');
});

test('reload: who is down by a question that is no longer asked has to answer the new one first', () => {
  const drill = new Drill(web(`${alive}\noption fall '1'`));
  drill.answer = ({ target }) => (target.port === 81 ? well : unwell);
  drill.run(1250);
  drill.configure(web(`${alive}\noption port '81'`));
  assert.is(drill.verdict(), 'down: w1: status 503');
  drill.run(1260);
  assert.is(drill.verdict(), 'down: w1: status 503');
  drill.run(1500);
  assert.is(drill.verdict(), 'up: w1: answered');
  assert.is(drill.changes.length, 2);
});

test('reload: a new question takes nobody down who is up', () => {
  const drill = new Drill(web(`${alive}\noption fall '1'`));
  drill.run(1250);
  drill.configure(web(`${alive}\noption port '81'`));
  assert.is(drill.verdict(), 'up: not probed yet');
});

test('reload: a question too many', () => {
  const watchdogs = [`${alive}\noption fall '1'`, `${alive}\noption port '81'`] as const;
  const drill = new Drill(web(...watchdogs));
  drill.answer = ({ target }) => (target.port === 81 ? well : unwell);
  drill.run(1250);
  assert.is(drill.verdict(), 'down: w1: status 503');
  drill.configure(web(watchdogs[1].replace('w2', 'w1')));
  assert.is(drill.verdict(), 'up: w1: answered', 'the other question has answers');
});

test('reload: without watchdogs nobody is down by probes', () => {
  const drill = new Drill(web(`${alive}\noption fall '1'`));
  drill.answer = () => unwell;
  drill.run(1250);
  drill.configure(web());
  assert.is(drill.verdict(), 'up: not watched');
  assert.equal(
    drill.changes.map(({ text }) => text),
    ['web/anna down: w1: status 503', 'web/anna up: not watched'],
  );
});

test('reload: reports and evidence stay, unless the server is another machine', () => {
  const drill = new Drill(web());
  drill.note(drill.monitor.report({ server: 'anna', up: false, reason: 'disk full' }, 1000));
  drill.note(drill.monitor.accuse('link', 'bert', 'br-lan', 'no carrier', 1000));
  drill.configure(web("option type 'ping'"));
  assert.is(drill.verdict('anna'), 'down: disk full');
  assert.is(drill.verdict('bert'), 'down: no carrier');
  drill.configure(web().replace('192.168.1.11', '192.168.1.21').replace('192.168.1.12', '192.168.1.22'));
  assert.is(drill.verdict('anna').slice(0, 2), 'up');
  assert.is(drill.verdict('bert').slice(0, 2), 'up');
});

test('reload: who is gone is unknown, and forgotten', () => {
  const drill = new Drill(web(`${alive}\noption fall '1'`));
  drill.answer = () => unwell;
  drill.run(1250);
  const without = web(alive)
    .replace(/config server 'anna'[^]*?\n\n/, '')
    .replace("list server 'anna'", '');
  drill.configure(without);
  assert.is(drill.verdict(), 'unknown');
  drill.configure(web(alive));
  assert.is(drill.verdict(), 'up: not probed yet');
});

test.run();
