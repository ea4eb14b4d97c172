import { checkEnvironment } from '../config/check-environment.ts';
import { followInterfaces } from '../config/ghost-interface.ts';
import type { Environment } from '../config/environment.ts';
import type { Problem } from '../config/problem.ts';
import { formatProblem, hasErrors, summarizeProblems } from '../config/report.ts';
import { type Configuration, loadConfiguration } from '../config/validate.ts';
import { identify } from '../server/identity.ts';

/** Result of `oneip check`: what to print, and the exit status. */
export interface CheckResult {
  readonly output: string;
  readonly status: 0 | 1;
}

/**
 * Checks a configuration by itself and against the router that it is looked at on. On one of the servers there is no router to
 * hold it against: what a server needs is looked at by `oneip doctor`.
 */
export function check(text: string, file: string, environment: Environment, json: boolean): CheckResult {
  const configuration = loadConfiguration(text, file);
  const identity = identify(configuration.model, undefined, environment.addresses);
  const isServer = typeof identity !== 'string';
  const all = [...configuration.problems, ...(isServer ? [] : problemsOfRouter(configuration, environment))];
  all.sort((a, b) => a.line - b.line);
  const status = hasErrors(all) ? 1 : 0;
  if (json) return { output: `${JSON.stringify({ ok: status === 0, problems: all }, null, 2)}\n`, status };
  const summary = summarizeProblems(all);
  const last = isServer ? `${summary}, looked at as on server '${identity.server.name}'` : summary;
  return { output: [...all.map(formatProblem), last].map((line) => `${line}\n`).join(''), status };
}

/** What is wrong in a configuration for this router, in the order of the lines. */
export function checkConfiguration(text: string, file: string, environment: Environment): Problem[] {
  const configuration = loadConfiguration(text, file);
  const all = [...configuration.problems, ...problemsOfRouter(configuration, environment)];
  return all.sort((a, b) => a.line - b.line);
}

function problemsOfRouter({ model, positions }: Configuration, environment: Environment): readonly Problem[] {
  return checkEnvironment(followInterfaces(model, environment), environment, positions).problems;
}
