import { fileStatus, removeFile } from 'oneip:runtime';
import { FAMILIES, removeRuleset, transaction } from '../plan/ruleset-diff.ts';
import { TABLE } from '../ruleset/ruleset.ts';
import { Journal } from './journal.ts';
import { Network } from './network.ts';
import { statusSocket } from './status-socket.ts';
import { outcomeLines } from './network-outcome.ts';
import { nftRun, throwIfRefused } from './nft.ts';

/** Undoes what a daemon has left behind in a state directory. Tells what, a line each. */
export function cleanUp(state: string): Promise<string[]> {
  const lines: string[] = [];
  const network = new Network(new Journal(`${state}/undo.json`, (line) => lines.push(line)));
  try {
    lines.push(...leave(state, network));
  } finally {
    network.close();
  }
  return Promise.resolve(lines);
}

/**
 * Puts everything back, each part whether or not the others can be; throws then with all that went wrong. Tells what was
 * done, a line each.
 */
export function leave(state: string, network: Network, what = 'router'): string[] {
  const lines: string[] = [];
  const failures: string[] = [];
  for (const part of [
    () => outcomeLines(network.withdrawAddresses()),
    () => removeTables(),
    () => outcomeLines(network.restore()),
  ]) {
    try {
      lines.push(...part());
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  if (failures.length > 0) throw new Error(`the ${what} is not as it was: ${failures.join('; ')}`);
  for (const told of [`${state}/applied.json`, serverStatusFile(state), statusSocket(state)]) {
    if (fileStatus(told) !== null) removeFile(told);
  }
  return lines;
}

/** File in the state directory that tells what a running server has in force. */
export function serverStatusFile(state: string): string {
  return `${state}/server.json`;
}

/** Removes our tables but for those of the given families. Tells which, a line each. */
export function removeTables(kept: readonly string[] = []): string[] {
  const listed = nftRun('{"nftables":[{"list":{"tables":null}}]}');
  throwIfRefused(listed);
  const { nftables } = JSON.parse(listed.json) as { nftables: { table?: { family: string; name: string } }[] };
  const there = nftables.flatMap(({ table }) => (table?.name === TABLE ? [table.family] : []));
  const ours = FAMILIES.filter((family) => there.includes(family) && !kept.includes(family));
  if (ours.length > 0) throwIfRefused(nftRun(transaction(removeRuleset(ours).commands)));
  return ours.map((family) => `- table ${family} ${TABLE}`);
}
