import { runCheck, runCleanup, runPlan, runSimulate } from './commands.ts';
import { COMMANDS } from './arguments.ts';
import type { Invocation } from './arguments.ts';
import { runEvents, runStatus } from './follow.ts';
import { runDump, runOrder, runReload } from './orders.ts';
import { partOf } from './package-part.ts';

export { helpText } from './help.ts';

/** Runs a command that ends by itself; resolves with the exit status. */
export async function runCommand(invocation: Invocation): Promise<number> {
  switch (invocation.command) {
    case 'check':
      return runCheck(invocation);
    case 'server':
      return (await partOf('oneip-server', "'server'", () => import('./server-status.ts'))).runServerStatus(invocation);
    case 'doctor':
    case 'metrics':
    case 'server-script':
    case 'setup':
      return (await partOf('oneip-tools', `'${invocation.command}'`, () => import('./tools.ts'))).runTool(invocation);
    case 'plan':
      return runPlan(invocation);
    case 'simulate':
      return runSimulate(invocation);
    case 'cleanup':
      return runCleanup(invocation);
    case 'status':
      return runStatus(invocation);
    case 'events':
      return runEvents(invocation);
    case 'reload':
      return runReload(invocation);
    case 'dump':
      return runDump(invocation);
    case 'failover':
    case 'drain':
    case 'up':
    case 'auto':
    case 'weight':
    case 'add':
    case 'remove':
      return runOrder(invocation);
    default:
      throw new Error(`'${invocation.command}' is none of ${COMMANDS.map(({ name }) => name).join(', ')}`);
  }
}
