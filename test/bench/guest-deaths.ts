import type { Shell } from '../qemu/console.ts';
import { guest } from './guest-machine.ts';

/** Who asks the guest's web servers how they are, and how. */
interface Watcher {
  readonly name: string;
  /** Who it is, as the table has it. */
  readonly contestant: string;
  readonly description: string;
  /** Milliseconds from one question to the next. */
  readonly interval: number;
  /** Whether a failure has to be seen once more. */
  readonly confirmed: boolean;
}

const usual = { interval: 200, confirmed: true };
/** As fast as both of them can be told to. */
const fastest = { interval: 50, confirmed: false };

export const watchers: readonly Watcher[] = [
  { name: 'watched', contestant: 'oneip', description: 'tcp, every 200 ms, and once more', ...usual },
  {
    name: 'keepalived',
    contestant: 'keepalived',
    description: 'TCP_CHECK, every 200 ms, and again after 50',
    ...usual,
  },
  { name: 'watched-fast', contestant: 'oneip', description: 'tcp, every 50 ms, once', ...fastest },
  { name: 'keepalived-fast', contestant: 'keepalived', description: 'TCP_CHECK, every 50 ms, once', ...fastest },
];

/** What the watching daemon has for the guest's web servers. */
function watchedConfig({ interval, confirmed }: Watcher, servers: number): string {
  const section = (type: string, name: string, options: string) => `config ${type} '${name}'\n${options}\n`;
  const numbers = Array.from({ length: servers }, (_, index) => index + 1);
  const question = `\toption type 'tcp'\n\toption interval '${interval}ms'\n\toption timeout '${interval}ms'\n`;
  return [
    section(
      'service',
      'web',
      "\tlist ghost '192.0.2.80'\n\tlist port '80'\n\tlist source 'wan'\n\toption idle_timeout '1s'\n\toption learn_time '0s'",
    ),
    section('watchdog', 'alive', `${question}\toption fall '${confirmed ? 2 : 1}'\n\toption half_life '0'`),
    ...numbers.map((number) =>
      section('server', `s${number}`, `\tlist service 'web'\n\toption address '192.168.1.${10 + number}'`),
    ),
  ].join('');
}

async function start(shell: Shell, watcher: Watcher, servers: number): Promise<void> {
  await guest(shell, 'web', watcher, servers);
  if (watcher.contestant === 'oneip') {
    await shell.write(`/etc/config/${watcher.name}`, watchedConfig(watcher, servers));
    await guest(shell, 'watched', watcher);
  } else await guest(shell, 'keepalived', watcher, watcher.interval / 1000, watcher.confirmed ? 1 : 0);
}

/** What somebody who watches has shown. */
export interface Watch {
  /** Milliseconds from a server's death until the kernel's table is without it. */
  readonly times: readonly number[];
  /** Memory after that, KiB: of all its processes, and what of it is nobody else's. */
  readonly resident: number;
  readonly own: number;
}

/** By the name of who watches. One watches after the other: the guest's clock counts instructions, those of everybody. */
export async function deaths(shell: Shell, servers: number, count: number): Promise<Map<string, Watch>> {
  const watches = new Map<string, Watch>();
  for (const watcher of watchers) {
    await start(shell, watcher, servers);
    const times: number[] = [];
    for (let round = 1; round <= count; round++) {
      process.stderr.write(`${watcher.name}: death ${round} of ${count}\n`);
      const text = await guest(shell, 'death', watcher);
      const [, begin, end] = /(\d+\.\d+) (\d+\.\d+)/.exec(text) ?? [];
      times.push((Number(end) - Number(begin)) * 1000);
    }
    const [, resident, own] = /(\d+) (\d+)/.exec(await guest(shell, 'memory', watcher)) ?? [];
    await guest(shell, 'close', watcher);
    watches.set(watcher.name, { times, resident: Number(resident), own: Number(own) });
  }
  return watches;
}
