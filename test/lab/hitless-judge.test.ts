import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { causeOfAttempt, causeOfBreak, causeOfLoss, mayBeDropped, wentWell, type Outage } from './hitless-judge.ts';
import type { Break } from './traffic-load.ts';

const outages: readonly Outage[] = [
  { server: 's1', cause: 'killed', inUse: true, from: 1_000, noticed: 1_300, mended: 2_500, until: 3_000 },
];

function broken(server: string, good: number, time: number): Break {
  const options = { protocol: 'tcp', source: '', destination: '', port: 1, period: 1_000 } as const;
  return { flow: 1, options, server, good, time, began: 10, reason: 'ECONNRESET', by: '', asked: 0 };
}

test('a failure explains the end of its own server’s connections, however late it shows', () => {
  assert.is(causeOfBreak(broken('s1', 900, 1_100), outages), 'killed');
  assert.is(causeOfBreak(broken('s1', 900, 9_000), outages), 'killed');
  assert.is(causeOfBreak(broken('s1', 2_900, 3_200), outages), 'killed');
});

test('it explains nothing of before, nothing of who was answered after, and nothing of other servers', () => {
  assert.is(causeOfBreak(broken('s1', 500, 999), outages), undefined);
  assert.is(causeOfBreak(broken('s1', 3_001, 3_500), outages), undefined);
  assert.is(causeOfBreak(broken('s2', 900, 1_100), outages), undefined);
});

test('a server that was stopped and found down answers what has waited, and then its connections end', () => {
  const stopped: Outage = { server: 's1', cause: 'stopped', inUse: true, from: 1_000, mended: 2_500, until: 2_500 };
  const noticed = { ...stopped, noticed: 2_200 };
  assert.is(causeOfBreak(broken('s1', 2_501, 2_502), [noticed]), 'stopped');
  assert.is(causeOfBreak(broken('s1', 2_501, 2_502), [stopped]), undefined, 'nobody had noticed');
  assert.is(causeOfBreak(broken('s1', 2_601, 2_602), [noticed]), undefined);
});

test('a failure that goes on explains what comes', () => {
  const ongoing: Outage = { server: 's1', cause: 'killed', inUse: true, from: 1_000 };
  assert.is(causeOfBreak(broken('s1', 5_000, 6_000), [ongoing]), 'killed');
  assert.is(causeOfAttempt({ began: 6_000, time: 6_010 }, [ongoing]), 'killed');
});

test('new connections may only fail until the failure was noticed', () => {
  assert.is(causeOfAttempt({ began: 900, time: 1_050 }, outages), 'killed');
  assert.is(causeOfAttempt({ began: 1_300, time: 2_400 }, outages), 'killed');
  assert.is(causeOfAttempt({ began: 1_301, time: 2_400 }, outages), undefined);
  assert.is(causeOfAttempt({ began: 900, time: 950 }, outages), undefined);
  assert.is(causeOfBreak(broken('', 0, 9_000), outages), 'killed');
  assert.is(causeOfBreak({ ...broken('', 0, 9_000), began: 1_400 }, outages), undefined);
});

test('one that goes unnoticed excuses new connections until it is mended', () => {
  const short: Outage = { server: 's1', cause: 'cut', inUse: true, from: 1_000, mended: 1_200, until: 1_200 };
  assert.is(causeOfAttempt({ began: 1_200, time: 2_300 }, [short]), 'cut');
  assert.is(causeOfAttempt({ began: 1_201, time: 2_300 }, [short]), undefined);
});

test('a server that gets no new connections excuses none', () => {
  const drained: Outage = { server: 's1', cause: 'cut', inUse: false, from: 1_000 };
  assert.is(causeOfAttempt({ began: 1_100, time: 2_300 }, [drained]), undefined);
  assert.is(causeOfBreak(broken('s1', 900, 1_500), [drained]), 'cut');
});

test('one that was taken out of use a moment ago may still get new datagrams for old ones, but no new connection', () => {
  const drained: Outage = { server: 's1', cause: 'killed', inUse: false, isLearnt: true, from: 1_000 };
  const udp = { ...broken('', 0, 1_500), began: 1_100 };
  assert.is(causeOfBreak(udp, [drained]), undefined);
  assert.is(causeOfBreak({ ...udp, options: { ...udp.options, protocol: 'udp' } }, [drained]), 'killed');
  assert.is(causeOfAttempt({ began: 1_100, time: 1_500 }, [drained]), undefined);
});

test('a datagram may be lost while its server fails, or anybody where nobody had answered', () => {
  const loss = (server: string, since: number) =>
    causeOfLoss({ flow: 1, server, since, good: since - 10, time: since + 1_000 }, outages);
  assert.is(loss('s1', 950), 'killed');
  assert.is(loss('s1', 2_900), 'killed');
  assert.is(loss('s1', 3_001), undefined);
  assert.is(loss('s1', 850), undefined);
  assert.is(loss('s2', 1_100), undefined);
  assert.is(loss('', 1_100), 'killed');
  assert.is(loss('', 1_350), undefined);
});

test('a server that was stopped may have no room for datagrams at first', () => {
  const stopped: Outage = { server: 's1', cause: 'stopped', inUse: false, from: 1_000, mended: 2_500, until: 2_500 };
  const loss = (since: number) =>
    causeOfLoss({ flow: 1, server: 's1', since, good: since - 400, time: since + 1_000 }, [stopped]);
  assert.is(loss(2_510), 'stopped');
  assert.is(loss(2_601), undefined);
});

test('a flow that was moved when its server failed may be lost with another one, until somebody has answered', () => {
  const other: Outage = { server: 's2', cause: 'alias', inUse: true, from: 2_900, noticed: 3_600 };
  const loss = (good: number) =>
    causeOfLoss({ flow: 1, server: 's1', since: 3_400, good, time: 4_400 }, [...outages, other]);
  assert.is(loss(2_800), 'alias');
  assert.is(loss(3_100), undefined, 'its server had answered again');
  assert.is(
    causeOfLoss({ flow: 1, server: 's1', since: 3_700, good: 2_800, time: 4_700 }, [...outages, other]),
    undefined,
  );
});

test('a new connection that took as long as a repeated SYN did not go well', () => {
  assert.ok(wentWell({ began: 0, time: 20, server: 's1' }, []));
  assert.not(wentWell({ began: 0, time: 1_020, server: 's1' }, []));
  assert.not(wentWell({ began: 0, time: 20, reason: 'ECONNREFUSED' }, []));
  const stalls = [
    { since: -50, time: 150 },
    { since: 1_000, time: 2_000 },
  ];
  assert.ok(wentWell({ began: 0, time: 1_020, server: 's1' }, stalls), 'the client stood still for 170 ms of it');
  assert.not(wentWell({ began: 0, time: 1_000, reason: 'ECONNREFUSED' }, stalls));
  assert.not(wentWell({ began: 3_000, time: 4_020, server: 's1' }, stalls));
});

test('what the machine throws away is nobody’s loss', () => {
  const drops = [{ since: 1_000, time: 1_050 }];
  assert.ok(mayBeDropped(901, drops) && mayBeDropped(1_050, drops));
  assert.not(mayBeDropped(899, drops) || mayBeDropped(1_051, drops));
  assert.ok(wentWell({ began: 990, time: 2_000, server: 's1' }, [], drops));
  assert.not(wentWell({ began: 1_060, time: 2_100, server: 's1' }, [], drops));
  assert.not(wentWell({ began: 990, time: 2_000, reason: 'ECONNREFUSED' }, [], drops));
});

test.run();
