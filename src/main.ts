import { parseArguments } from './cli/arguments.ts';
import type { Invocation } from './cli/arguments.ts';
import { PACKAGE_MISSING, PackageMissingError, partOf } from './cli/package-part.ts';
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
    const { helpText } = await import('./cli/run.ts');
    print(helpText(invocation.command));
    return 0;
  }
  return run(invocation);
}

/** What a command needs is loaded with it: a daemon has no use for what commands print, nor memory for it. */
async function run(invocation: Invocation): Promise<number> {
  const { command, flags } = invocation;
  if (command === 'daemon') return (await import('./daemon/daemon.ts')).runDaemon(invocation);
  if (command === 'server' && !flags.has('status')) {
    return (await partOf('oneip-server', `'${command}'`, () => import('./daemon/server.ts'))).runServer(invocation);
  }
  return (await import('./cli/run.ts')).runCommand(invocation);
}

try {
  endProcess(await main(commandLine()));
} catch (error) {
  printError(`oneip: ${error instanceof Error ? error.message : String(error)}\n`);
  endProcess(error instanceof PackageMissingError ? PACKAGE_MISSING : 1);
}
