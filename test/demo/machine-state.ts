import type { Namespace } from '../lab/namespace.ts';

const questions: Readonly<Record<string, readonly string[]>> = {
  'nftables rules': ['nft', 'list', 'ruleset'],
  'routing rules': ['ip', 'rule'],
  'IPv6 routing rules': ['ip', '-6', 'rule'],
  routes: ['ip', 'route', 'show', 'table', 'all'],
  'IPv6 routes': ['ip', '-6', 'route', 'show', 'table', 'all'],
  addresses: ['ip', '-o', 'address'],
  'permanent neighbours': ['ip', 'neigh', 'show', 'nud', 'permanent'],
  'proxied neighbours': ['ip', 'neigh', 'show', 'proxy'],
  settings: ['sysctl', '-a', '-r', '^net\\.ipv[46]\\.(conf|ip_forward)'],
};

/** Everything that the daemon may change in a machine, by name, as text. */
export async function readMachineState(machine: Namespace): Promise<Map<string, string>> {
  const answers = await Promise.all(
    Object.entries(questions).map(async ([name, command]) => [name, await machine.run(command)] as const),
  );
  return new Map(answers);
}

/** What differs: lines that have come (`+`) or gone (`-`), each with the name of what it belongs to. */
export function stateDifferences(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  return [...before].flatMap(([name, text]) => {
    const then = text.split('\n');
    const now = (after.get(name) ?? '').split('\n');
    // The kernel lists routes in no order to rely on.
    const lines = [
      ...now.filter((line) => !then.includes(line)).map((line) => `+ ${line}`),
      ...then.filter((line) => !now.includes(line)).map((line) => `- ${line}`),
    ];
    return lines.map((line) => `${name}: ${line}`);
  });
}
