import { parseArguments } from '../../src/cli/arguments.ts';
import { runDaemon } from '../../src/daemon/daemon.ts';
import { steadyTime } from '../../src/host/clock.ts';
import { commandLine, endProcess } from '../../src/host/console.ts';
import { startTimer } from '../../src/host/system.ts';

// `oneip daemon` as it is, but that the load is followed by a clock of which a minute is two seconds.

const FASTER = 30;

const invocation = parseArguments(commandLine());
if (typeof invocation === 'string') throw new Error(invocation);
endProcess(
  await runDaemon(invocation, {
    clock: () => steadyTime() * FASTER,
    startTimer: (callback, delay) => startTimer(callback, delay / FASTER),
  }),
);
