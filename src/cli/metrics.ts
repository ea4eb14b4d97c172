import { print } from '../host/console.ts';
import { formatMetrics } from '../service/metrics.ts';
import type { Invocation } from './arguments.ts';
import { askStatus, DONE, NO_DAEMON, withDaemon } from './ask.ts';

/**
 * `oneip metrics`: that nobody answers is one of the metrics and no failure, so that a file which is made of them does not
 * go on to tell of better days.
 */
export async function runMetrics(invocation: Invocation): Promise<number> {
  let text = formatMetrics(undefined);
  await withDaemon(
    invocation,
    async (client) => {
      text = formatMetrics(await askStatus(client));
      return DONE;
    },
    () => NO_DAEMON,
  );
  print(text);
  return DONE;
}
