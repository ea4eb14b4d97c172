import { monotonic, setTimer } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Attempt } from '../../src/host/probe/attempt.ts';
import { pause } from '../../src/host/clock.ts';
import type { ProbeResult } from '../../src/watchdog/prober.ts';

/** Keeps the event loop from all else, as a large transaction of nftables does. */
function beBusy(milliseconds: number): void {
  const end = monotonic() + milliseconds;
  while (monotonic() < end);
}

/** Starts an attempt; resolves with how it ended, and after how many milliseconds. */
function attempt(timeout: number): {
  readonly probe: Attempt;
  readonly ended: Promise<ProbeResult & { after: number }>;
} {
  const begin = monotonic();
  let settle: (result: ProbeResult & { after: number }) => void = () => undefined;
  const ended = new Promise<ProbeResult & { after: number }>((resolve) => (settle = resolve));
  const done = (result: ProbeResult) => settle({ ...result, after: monotonic() - begin });
  const probe = new Attempt(timeout, done, () => undefined);
  probe.returned();
  return { probe, ended };
}

test('without an answer it fails when its time is over', async () => {
  const { ended } = attempt(200);
  const { passed, reason, after } = await ended;
  assert.equal([passed, reason], [false, 'timed out']);
  assert.ok(after >= 199, `after ${after} ms`);
});

test('a loop that was busy nearly all the time, and ended that before the time was over, is no failure of the server', async () => {
  const { probe, ended } = attempt(200);
  await pause(10);
  beBusy(185);
  // Three turns of the loop until the answer has been read: connected, sent, received.
  setTimer(() => setTimer(() => setTimer(() => probe.pass('connected'), 10), 10), 10);
  assert.equal((await ended).reason, 'connected');
});

test('a loop that is busy again and again', async () => {
  const { probe, ended } = attempt(200);
  for (let turn = 0; turn < 6; turn++) {
    await pause(5);
    beBusy(100);
  }
  probe.pass('connected');
  assert.equal((await ended).reason, 'connected');
});

test('a silent server is found all the same', async () => {
  const { ended } = attempt(200);
  await pause(10);
  beBusy(150);
  const { passed, after } = await ended;
  assert.is(passed, false);
  assert.ok(after >= 300, `after ${after} ms`);
});

test('a refusal is told from silence, and from answers that are merely wrong', async () => {
  for (const reason of ['connection refused', 'connection reset']) {
    const { probe, ended } = attempt(200);
    probe.fail(reason);
    const { passed, refused, latency } = await ended;
    assert.equal([passed, refused, typeof latency], [false, true, 'number'], reason);
  }
  for (const end of [
    (probe: Attempt) => probe.fail('host unreachable'),
    (probe: Attempt) => probe.reject('status 503'),
  ]) {
    const { probe, ended } = attempt(200);
    end(probe);
    assert.is((await ended).refused, undefined);
  }
});

test.run();
