import { COMMANDS, parseArguments } from './cli/arguments.ts';
import type { Invocation } from './cli/arguments.ts';
import { runCheck, runCleanup, runPlan, runSimulate } from './cli/commands.ts';
import { runDoctor } from './cli/doctor.ts';
import { runEvents, runStatus } from './cli/follow.ts';
import { helpText } from './cli/help.ts';
import { runMetrics } from './cli/metrics.ts';
import { runServerScript, runServerStatus } from './cli/server.ts';
import { runDump, runOrder, runReload } from './cli/orders.ts';
import { runDaemon } from './daemon/daemon.ts';
import { runServer } from './daemon/server.ts';
import { VERSION } from './version.ts';
import { commandLine, endProcess, print, printError } from './host/console.ts';

const USAGE_ERROR = 2;

async function main(words: readonly string[]): Promise<number> {
  const invocation = parseArguments(words);
  if (typeof invocation === 'string') {
    printError(`oneip: ${invocation}; 'oneip --help' shows what there is\n`);
    return USAGE_ERROR;
  }
  if (invocation.flags.has('version')) {
    print(`oneip ${VERSION}\n`);
    return 0;
  }
  if (invocation.flags.has('help')) {
    print(helpText(invocation.command));
    return 0;
  }
  return run(invocation);
}

async function run(invocation: Invocation): Promise<number> {
  switch (invocation.command) {
    case 'daemon':
      return runDaemon(invocation);
    case 'check':
      return runCheck(invocation);
    case 'doctor':
      return runDoctor(invocation);
    case 'server':
      return invocation.flags.has('status') ? runServerStatus(invocation) : runServer(invocation);
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

try {
  endProcess(await main(commandLine()));
} catch (error) {
  printError(`oneip: ${error instanceof Error ? error.message : String(error)}\n`);
  endProcess(1);
}
