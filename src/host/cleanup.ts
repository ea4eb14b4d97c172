import { fileStatus, removeFile } from 'oneip:runtime';
import { removeRuleset, transaction } from '../plan/ruleset-diff.ts';
import { TABLE } from '../ruleset/ruleset.ts';
import { Journal } from './journal.ts';
import { Network } from './network.ts';
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
    removeTables,
    () => outcomeLines(network.restore()),
  ]) {
    try {
      lines.push(...part());
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  if (failures.length > 0) throw new Error(`the ${what} is not as it was: ${failures.join('; ')}`);
  const snapshot = `${state}/applied.json`;
  if (fileStatus(snapshot) !== null) removeFile(snapshot);
  return lines;
}

function removeTables(): string[] {
  const listed = nftRun('{"nftables":[{"list":{"tables":null}}]}');
  throwIfRefused(listed);
  const { nftables } = JSON.parse(listed.json) as { nftables: { table?: { family: string; name: string } }[] };
  const ours = nftables.flatMap(({ table }) => (table?.name === TABLE ? [table] : []));
  if (ours.length > 0) throwIfRefused(nftRun(transaction(removeRuleset().commands)));
  return ours.map(({ family, name }) => `- table ${family} ${name}`);
}
