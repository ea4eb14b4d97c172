import { families, ghostPlaces, wanClient, type Pair } from './addresses.ts';
import type { Lab } from './lab.ts';
import { eventually } from './scenario.ts';
import { echoPort } from './servers.ts';
import { answered, type Conversation } from './traffic.ts';

/** What nftables holds, without counts and handles; objects in an order of their own, rules in that of their chain. */
export async function ruleset({ router }: Lab): Promise<readonly string[]> {
  const { nftables } = JSON.parse(await router.run(['nft', '-j', 'list', 'ruleset'])) as { nftables: object[] };
  const rules = new Map<string, number>();
  const passing = new Set(['handle', 'packets', 'bytes', 'metainfo']);
  const lines = nftables.map((object) => {
    const text = JSON.stringify(object, (key, value: unknown) => (passing.has(key) ? undefined : value));
    const chain = /^\{"rule":\{"family":"(\w+)","table":"(\w+)","chain":"([^"]+)"/.exec(text)?.slice(1).join(' ');
    if (chain === undefined) return text;
    rules.set(chain, (rules.get(chain) ?? 0) + 1);
    return `${chain} ${rules.get(chain)}: ${text}`;
  });
  return lines.sort();
}

/** Objects that only one of the two has. */
export function difference(one: readonly string[], other: readonly string[]): string[] {
  return [
    ...one.filter((line) => !other.includes(line)).map((line) => `- ${line}`),
    ...other.filter((line) => !one.includes(line)).map((line) => `+ ${line}`),
  ];
}

/** The ruleset for people, with the devices that JSON leaves out. */
export function listing({ router }: Lab): Promise<string> {
  return router.run(['nft', '-s', 'list', 'ruleset']);
}

/** Opens a connection of each family from outside to the ghost. */
export function connect(lab: Lab, ghost: Pair = ghostPlaces.elsewhere, client = 1): Promise<Conversation[]> {
  return Promise.all(
    families.map((family) => lab.traffic(lab.wan).tcp(wanClient(family, client), ghost[family], echoPort)),
  );
}

/** True where a client of each family is answered at the ghost, within so many milliseconds. */
export async function isServed(lab: Lab, ghost: Pair, client: number, patience?: number): Promise<boolean> {
  const conversations = await connect(lab, ghost, client);
  const answers = await Promise.all(conversations.map((one) => one.ask(patience)));
  for (const conversation of conversations) conversation.close();
  return answers.every((answer, index) => answered(answer) && answer.local === ghost[families[index] ?? 4]);
}

/** Waits until new connections of both families are answered. */
export async function served(lab: Lab, ghost: Pair = ghostPlaces.elsewhere, client = 1): Promise<void> {
  await eventually('service', 5_000, async () => (await isServed(lab, ghost, client, 500)) || undefined);
}

/** Waits until the router's kernel holds what it did. */
export async function repaired(lab: Lab, what: string, wanted: readonly string[], limit = 3_000): Promise<void> {
  await eventually(what, limit, async () => (difference(wanted, await ruleset(lab)).length === 0 ? true : undefined));
}
