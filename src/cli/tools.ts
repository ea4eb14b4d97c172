import type { Invocation } from './arguments.ts';
import { runDoctor } from './doctor.ts';
import { runMetrics } from './metrics.ts';
import { runServerScript } from './server-script.ts';
import { runSetup } from './setup.ts';

/** Runs a command of the package oneip-tools: `doctor`, `metrics`, `server-script` or `setup`, which a router does its work without. */
export async function runTool(invocation: Invocation): Promise<number> {
  switch (invocation.command) {
    case 'doctor':
      return runDoctor(invocation);
    case 'metrics':
      return runMetrics(invocation);
    case 'setup':
      return runSetup(invocation);
    default:
      return runServerScript(invocation);
  }
}
