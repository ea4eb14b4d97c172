import type { Invocation } from './arguments.ts';
import { runDoctor } from './doctor.ts';
import { runMetrics } from './metrics.ts';
import { runServerScript } from './server-script.ts';

/** Runs a command of the package oneip-tools: `doctor`, `metrics` or `server-script`, which a router does its work without. */
export async function runTool(invocation: Invocation): Promise<number> {
  switch (invocation.command) {
    case 'doctor':
      return runDoctor(invocation);
    case 'metrics':
      return runMetrics(invocation);
    default:
      return runServerScript(invocation);
  }
}
