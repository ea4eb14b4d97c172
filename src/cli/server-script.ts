import { formatProblem, hasErrors } from '../config/report.ts';
import { loadConfiguration } from '../config/validate.ts';
import { print, printError } from '../host/console.ts';
import { readText } from '../host/files.ts';
import { identify } from '../server/identity.ts';
import { serverScript } from '../server/script.ts';
import { ghostsOf } from '../server/wanted.ts';
import { optionValue } from './arguments.ts';
import type { Invocation } from './arguments.ts';
import { complain, DONE, FAILED } from './ask.ts';

/** `oneip server-script SERVER`: prints the script. Slots are those that the server has while all are up. */
export function runServerScript(invocation: Invocation): number {
  const file = optionValue(invocation, 'config');
  const { model, problems } = loadConfiguration(readText(file), file);
  for (const problem of problems) printError(`${formatProblem(problem)}\n`);
  if (hasErrors(problems)) return complain(`${file} has errors: no script is made of it`, FAILED);
  const identity = identify(model, invocation.operands[0] ?? '', []);
  if (typeof identity === 'string') return complain(identity, FAILED);
  if (ghostsOf(identity).length === 0) return complain(`${identity.server.name} has no ghost to carry`, FAILED);
  print(serverScript(identity));
  return DONE;
}
