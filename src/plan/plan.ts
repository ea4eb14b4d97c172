import type { Deployment } from '../deployment/deployment.ts';
import { describeNetworkChange } from '../network/describe.ts';
import { diffNetworkState } from '../network/diff.ts';
import { EMPTY_NETWORK } from '../network/state.ts';
import type { NetworkState } from '../network/state.ts';
import { wantedNetwork } from '../network/wanted.ts';
import { buildRuleset } from '../ruleset/build.ts';
import { diffRulesets, transaction } from './ruleset-diff.ts';

/** What a configuration would change in the kernel. */
export interface Plan {
  /** Objects of the ruleset, a line each. */
  readonly nftables: readonly string[];
  /** Routes, rules, neighbours and sysctls, in the terms of `ip` and `sysctl`, a line each. */
  readonly network: readonly string[];
  /** The libnftables transaction; empty where nothing changes. */
  readonly transaction: string;
}

/** The difference between what is in force (nothing, where no daemon runs) and what would be. */
export function planChange(before: Deployment | undefined, after: Deployment, sysctls: NetworkState['sysctls']): Plan {
  const { commands, summary } = diffRulesets(before ? buildRuleset(before) : { tables: [] }, buildRuleset(after));
  const current = { ...(before ? wantedNetwork(before) : EMPTY_NETWORK), sysctls };
  return {
    nftables: summary,
    network: diffNetworkState(current, wantedNetwork(after)).map(describeNetworkChange),
    transaction: commands.length > 0 ? transaction(commands) : '',
  };
}

/** The plan for people. */
export function formatPlan({ nftables, network }: Plan): string {
  if (nftables.length + network.length === 0) return 'nothing changes\n';
  const part = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`)];
  return [...part('nftables', nftables), ...part('network', network), ''].join('\n');
}
