import { describeNetworkChange } from '../network/describe.ts';
import type { NetworkChange } from '../network/diff.ts';
import type { NetworkOutcome } from './network.ts';

/** More changes of the network than this are logged as numbers. */
const TOLD_ONE_BY_ONE = 6;

/** What was done, a line each, or in numbers where it was much. Throws with the reasons where something could not be done. */
export function outcomeLines({ done, failures, omitted = [] }: NetworkOutcome): string[] {
  if (failures.length > 0) throw new Error(failures.map(({ message }) => message).join('; '));
  const notDone = omitted.map(
    (change) => `no room for the undo journal, so not done: ${describeNetworkChange(change)}`,
  );
  return [...summary(done), ...notDone];
}

function summary(done: readonly NetworkChange[]): string[] {
  if (done.length <= TOLD_ONE_BY_ONE) return done.map(describeNetworkChange);
  const kinds = new Map<string, number>();
  for (const { kind } of done) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  return [`network: ${[...kinds].map(([kind, count]) => `${count} × ${kind}`).join(', ')}`];
}
