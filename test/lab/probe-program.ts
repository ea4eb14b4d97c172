import {
  args,
  decodeUtf8,
  interfaceIndex,
  memory,
  monotonic,
  readDirectory,
  readFile,
  setTimer,
  writeOutput,
} from 'oneip:runtime';
import { HostProber } from '../../src/host/probe/prober.ts';
import { parseAddress } from '../../src/net/address.ts';
import type { Address } from '../../src/net/address.ts';
import type { ProbeResult, ProbeTarget } from '../../src/watchdog/prober.ts';
import type { CostReport, CostRequest, LeakReport, ProbeRequest, TargetText } from './probe.ts';

// Runs in the runtime, inside the router's namespace, what `probe.ts` asks for: the work and its data are the arguments.

const [work = '', text = ''] = args;

function say(what: unknown): void {
  writeOutput(1, `${JSON.stringify(what)}\n`);
}

function addressOf(address: string): Address {
  const parsed = parseAddress(address);
  if (!parsed) throw new Error(`'${address}' is no address`);
  return parsed;
}

function targetOf({ service, server, ghost, address, device, mark, port }: TargetText): ProbeTarget {
  return {
    service,
    server,
    ghost: addressOf(ghost),
    address: addressOf(address),
    device: { name: device, ifindex: interfaceIndex(device) },
    mark,
    ...(port !== undefined && { port }),
  };
}

function ask(prober: HostProber, { check, target, timeout }: ProbeRequest): Promise<ProbeResult> {
  return new Promise((resolve) => {
    let returned = false;
    let answers = 0;
    prober.start(check, targetOf(target), timeout, (result) => {
      answers += 1;
      if (!returned || answers > 1) throw new Error('told too early, or twice');
      resolve(result);
    });
    returned = true;
  });
}

async function askAll(requests: readonly ProbeRequest[]): Promise<void> {
  const prober = new HostProber();
  say(await Promise.all(requests.map((request) => ask(prober, request))));
  prober.close();
}

/** Clock ticks, of which a second has 100, that this process has had of the processor: fields 14 and 15 of proc(5)'s stat. */
function ticks(): number {
  const fields = decodeUtf8(readFile('/proc/self/stat'))
    .replace(/^.*\) /, '')
    .split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** A piece of work that takes the same time wherever the processor does its best; returns the milliseconds it took. */
function yardstick(): number {
  const begin = monotonic();
  const words = new Map<string, number>();
  for (let index = 0; index < 100; index++)
    words.set(`word ${index % 20}`, (words.get(`word ${index % 7}`) ?? 0) + index);
  return monotonic() - begin;
}

/**
 * Every target is asked once in an interval; those whose turns are close are asked together, as the watchdog does it.
 *
 * A virtual machine that has been idle for a moment finds its caches cold and its processor taken, and everything is dearer
 * then. The same piece of work, done now and then between probes, tells how much.
 */
function measureCost({ check, targets, grain, interval, timeout, duration }: CostRequest): void {
  const prober = new HostProber();
  const failures: string[] = [];
  let passed = 0;
  const done = (result: ProbeResult) => {
    if (result.passed) passed += 1;
    else failures.push(result.reason);
  };
  const timers = targets.map(targetOf).map((target, index) => {
    const ask = () => void prober.start(check, target, timeout, done);
    return setTimer(
      () => {
        timers[index] = setTimer(ask, interval, true);
        ask();
      },
      Math.ceil((index * interval) / targets.length / grain) * grain,
    );
  });
  // The first second opens sockets and learns addresses.
  setTimer(() => {
    const best = Math.min(...Array.from({ length: 500 }, yardstick));
    const [begin, before, first] = [monotonic(), ticks(), passed];
    const yardsticks: number[] = [];
    timers.push(setTimer(() => yardsticks.push(yardstick()), 23, true));
    setTimer(() => {
      const wall = monotonic() - begin;
      const own = yardsticks.reduce((sum, each) => sum + each, 0);
      const median = yardsticks.sort((one, other) => one - other)[yardsticks.length >> 1] ?? 0;
      const share = ((ticks() - before) * 10 - own) / wall;
      const report: CostReport = { share, slowness: median / best, passed: passed - first, failures, wall };
      for (const timer of timers) timer.cancel();
      prober.close();
      say(report);
    }, duration);
  }, 1000);
}

/** Probes of all kinds, so many of each that whatever they leave behind shows. Timers that are left keep the process alive. */
async function lookForLeaks(requests: readonly ProbeRequest[]): Promise<void> {
  const prober = new HostProber();
  const round = async (count: number) => {
    for (let left = count; left > 0; left--) {
      await Promise.all(requests.map((request) => ask(prober, request)));
      for (const { check, target } of requests) {
        prober.start(check, targetOf(target), 3_600_000, () => say('told although cancelled')).cancel();
      }
    }
    memory.trim();
    return { descriptors: readDirectory('/proc/self/fd').length, bytes: memory.used() };
  };
  const before = await round(20);
  const after = await round(500);
  const report: LeakReport = { before, after, probes: 520 * requests.length };
  prober.close();
  say(report);
}

switch (work) {
  case 'ask':
    await askAll(JSON.parse(text) as ProbeRequest[]);
    break;
  case 'cost':
    measureCost(JSON.parse(text) as CostRequest);
    break;
  case 'leaks':
    await lookForLeaks(JSON.parse(text) as ProbeRequest[]);
    break;
  default:
    throw new Error(`no such work: '${work}'`);
}
