import type { Namespace } from '../lab/namespace.ts';

const questions: Readonly<Record<string, readonly string[]>> = {
  'nftables rules': ['nft', 'list', 'ruleset'],
  'routing rules': ['ip', 'rule'],
  'IPv6 routing rules': ['ip', '-6', 'rule'],
  routes: ['ip', 'route', 'show', 'table', 'all'],
  'IPv6 routes': ['ip', '-6', 'route', 'show', 'table', 'all'],
  'permanent neighbours': ['ip', 'neigh', 'show', 'nud', 'permanent'],
  'proxied neighbours': ['ip', 'neigh', 'show', 'proxy'],
  settings: ['sysctl', '-a', '-r', '^net\\.ipv[46]\\.(conf|ip_forward)'],
};

/** Everything that the daemon may change in a router, by name, as text. */
export async function readRouterState(router: Namespace): Promise<Map<string, string>> {
  const answers = await Promise.all(
    Object.entries(questions).map(async ([name, command]) => [name, await router.run(command)] as const),
  );
  return new Map(answers);
}

/** Names of what differs. */
export function stateDifferences(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  return [...before].flatMap(([name, text]) => (after.get(name) === text ? [] : [name]));
}
