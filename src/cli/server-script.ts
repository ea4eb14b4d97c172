import type { Model } from '../config/model.ts';
import { formatProblem, hasErrors } from '../config/report.ts';
import { loadConfiguration } from '../config/validate.ts';
import { print, printError } from '../host/console.ts';
import { readText } from '../host/files.ts';
import { identify } from '../server/identity.ts';
import { serverScript } from '../server/script.ts';
import { ghostsOf } from '../server/wanted.ts';
import type { Understood } from '../setup/answers.ts';
import { optionValue } from './arguments.ts';
import type { Invocation } from './arguments.ts';
import { complain, DONE, FAILED } from './ask.ts';

/** `oneip server-script SERVER`: prints the script. Slots are those that the server has while all are up. */
export function runServerScript(invocation: Invocation): number {
  const file = optionValue(invocation, 'config');
  const { model, problems } = loadConfiguration(readText(file), file);
  for (const problem of problems) printError(`${formatProblem(problem)}\n`);
  if (hasErrors(problems)) return complain(`${file} has errors: no script is made of it`, FAILED);
  const made = scriptOf(model, invocation.operands[0] ?? '');
  if ('problem' in made) return complain(made.problem, FAILED);
  print(made.value);
  return DONE;
}

/** The script for a server of a configuration; or why there is none. */
export function scriptOf(model: Model, server: string): Understood<string> {
  const identity = identify(model, server, []);
  if (typeof identity === 'string') return { problem: identity };
  if (ghostsOf(identity).length === 0) return { problem: `${identity.server.name} has no ghost to carry` };
  return { value: serverScript(identity) };
}
