import { runCheck, runCleanup, runPlan, runSimulate } from './commands.ts';
import { COMMANDS } from './arguments.ts';
import type { Invocation } from './arguments.ts';
import { runEvents, runStatus } from './follow.ts';
import { runMetrics } from './metrics.ts';
import { runDump, runOrder, runReload } from './orders.ts';
import { runServerScript, runServerStatus } from './server.ts';

export { helpText } from './help.ts';

/** Runs a command that ends by itself; resolves with the exit status. */
export async function runCommand(invocation: Invocation): Promise<number> {
  switch (invocation.command) {
    case 'check':
      return runCheck(invocation);
    case 'doctor':
      return (await import('./doctor.ts')).runDoctor(invocation);
    case 'setup':
      return (await import('./setup.ts')).runSetup(invocation);
    case 'server':
      return runServerStatus(invocation);
    case 'server-script':
      return runServerScript(invocation);
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
    case 'metrics':
      return runMetrics(invocation);
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
