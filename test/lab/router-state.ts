import * as assert from 'uvu/assert';
import type { Namespace } from './namespace.ts';

/** Everything of a router that a daemon could have left behind, as lines by what they are of. */
export type RouterState = ReadonlyMap<string, readonly string[]>;

/** What counts packets, or ages, tells nothing about what was changed. */
const VOLATILE = /nf_conntrack_count|\bnf_conntrack_buckets|netdev_rss_key|stable_secret|ip_local_reserved|fib_notify/;

/** Neighbours come with the traffic, by the kernel's own hand. */
const LEARNED = /^\S+ dev \S+ (lladdr \S+ )?(known|INCOMPLETE|FAILED)$/;

const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  'rules of IPv4': ['ip', '-d', '-4', 'rule', 'show'],
  'rules of IPv6': ['ip', '-d', '-6', 'rule', 'show'],
  'routes of IPv4': ['ip', '-d', '-4', 'route', 'show', 'table', 'all'],
  'routes of IPv6': ['ip', '-d', '-6', 'route', 'show', 'table', 'all'],
  'neighbours of IPv4': ['ip', '-d', '-4', 'neighbour', 'show', 'nud', 'all'],
  'neighbours of IPv6': ['ip', '-d', '-6', 'neighbour', 'show', 'nud', 'all'],
  'proxies of IPv4': ['ip', '-4', 'neighbour', 'show', 'proxy'],
  'proxies of IPv6': ['ip', '-6', 'neighbour', 'show', 'proxy'],
  addresses: ['ip', '-o', 'address', 'show'],
  links: ['ip', '-o', 'link', 'show'],
  ruleset: ['nft', '-s', '-a', 'list', 'ruleset'],
  sysctls: ['sysctl', '-a', '-r', '^net\\.'],
};

/** The router as it is: rules, routes, neighbours, proxies, addresses, links, nftables with handles, all of `/proc/sys/net`; or parts of it. */
export async function routerState(router: Namespace, parts = Object.keys(COMMANDS)): Promise<RouterState> {
  const wanted = Object.entries(COMMANDS).filter(([what]) => parts.includes(what));
  const entries = await Promise.all(
    wanted.map(async ([what, command]) => {
      const { stdout } = await router.attempt(command);
      return [what, tellingLines(stdout)] as const;
    }),
  );
  return new Map(entries);
}

/** The lines of what such a command prints that tell whether something has been changed. */
export function tellingLines(text: string): string[] {
  return text.split('\n').map(settle).filter(isTelling);
}

/** The lines that are new (`+`), and those that are gone (`-`). The order of rules counts. */
export function differences(after: RouterState, before: RouterState): string[] {
  const found: string[] = [];
  for (const [what, lines] of after) {
    const old = before.get(what) ?? [];
    for (const line of lines) if (!old.includes(line) && !LEARNED.test(line)) found.push(`${what}: + ${line}`);
    for (const line of old) if (!lines.includes(line)) found.push(`${what}: - ${line}`);
    const ordered = what.startsWith('rules') || what === 'ruleset';
    if (ordered && lines.join('\n') !== old.join('\n')) found.push(`${what}: in another order\n${lines.join('\n')}`);
  }
  return found;
}

export function assertSameRouter(after: RouterState, before: RouterState): void {
  assert.equal(differences(after, before), []);
}

/** The MAC address that the kernel has learned stays; how sure it is of it does not matter. */
function settle(line: string): string {
  return line
    .replace(/ (used|expires) \S+| probes \d+| router/g, '')
    .replace(/ (REACHABLE|STALE|DELAY|PROBE)\b/g, ' known')
    .trimEnd();
}

/** The kernel maps multicast addresses to MACs by itself whenever somebody solicits a neighbour. */
function isTelling(line: string): boolean {
  return line !== '' && !VOLATILE.test(line) && !line.endsWith(' NOARP');
}
