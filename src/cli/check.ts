import { checkEnvironment } from '../config/check-environment.ts';
import type { Environment } from '../config/environment.ts';
import type { Problem } from '../config/problem.ts';
import { formatProblem, hasErrors, summarizeProblems } from '../config/report.ts';
import { loadConfiguration } from '../config/validate.ts';

/** Result of `oneip check`: what to print, and the exit status. */
export interface CheckResult {
  readonly output: string;
  readonly status: 0 | 1;
}

/** Checks a configuration by itself and against the router it is looked at on. */
export function check(text: string, file: string, environment: Environment, json: boolean): CheckResult {
  const { model, problems, positions } = loadConfiguration(text, file);
  const all: Problem[] = [...problems, ...checkEnvironment(model, environment, positions).problems];
  all.sort((a, b) => a.line - b.line);
  const status = hasErrors(all) ? 1 : 0;
  if (json) return { output: `${JSON.stringify({ ok: status === 0, problems: all }, null, 2)}\n`, status };
  return { output: [...all.map(formatProblem), summarizeProblems(all)].map((line) => `${line}\n`).join(''), status };
}
