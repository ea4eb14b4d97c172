import { tellingLines, type RouterState } from '../lab/router-state.ts';
import type { Shell } from './console.ts';

/** For any `ip`, also BusyBox's; what one of them does not know it says the same way before and after. */
const COMMANDS: Readonly<Record<string, string>> = {
  'rules of IPv4': 'ip -4 rule show',
  'rules of IPv6': 'ip -6 rule show',
  'routes of IPv4': 'ip -4 route show table all',
  'routes of IPv6': 'ip -6 route show table all',
  'neighbours of IPv4': 'ip -4 neighbour show',
  'neighbours of IPv6': 'ip -6 neighbour show',
  'proxies of IPv6': 'ip -6 neighbour show proxy',
  addresses: 'ip -o address show',
  links: 'ip -o link show',
  ruleset: 'nft -s list ruleset',
  sysctls: "sysctl -a 2>/dev/null | grep '^net\\.'",
};

/** A guest as it is, in parts that `differences` compares. */
export async function guestState(shell: Shell): Promise<RouterState> {
  const state = new Map<string, readonly string[]>();
  for (const [what, command] of Object.entries(COMMANDS)) {
    state.set(what, tellingLines((await shell.attempt(command, 120_000)).output));
  }
  return state;
}
