import { args, interfaceIndex, memory, readDirectory, setTimer, writeOutput } from 'oneip:runtime';
import { HostProber } from '../../src/host/probe/prober.ts';
import { parseAddress } from '../../src/net/address.ts';
import type { Address } from '../../src/net/address.ts';
import type { ProbeResult, ProbeTarget } from '../../src/watchdog/prober.ts';
import type { LeakReport, ProbeRequest, RepeatRequest, TargetText } from './probe.ts';

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

/** Asks every target once in an interval, in turn, until the time is over. */
function repeat({ check, targets, interval, timeout, duration }: RepeatRequest): void {
  const prober = new HostProber();
  const failures: string[] = [];
  const done = ({ passed, reason }: ProbeResult) => {
    if (!passed) failures.push(reason);
  };
  const timers = targets.map(targetOf).map((target, index) => {
    const ask = () => void prober.start(check, target, timeout, done);
    const begin = () => {
      timers[index] = setTimer(ask, interval, true);
      ask();
    };
    return setTimer(begin, (index * interval) / targets.length);
  });
  setTimer(() => {
    for (const timer of timers) timer.cancel();
    prober.close();
    say(failures);
  }, duration);
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
  case 'repeat':
    repeat(JSON.parse(text) as RepeatRequest);
    break;
  case 'leaks':
    await lookForLeaks(JSON.parse(text) as ProbeRequest[]);
    break;
  default:
    throw new Error(`no such work: '${work}'`);
}
