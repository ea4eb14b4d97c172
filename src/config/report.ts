import type { Problem } from './problem.ts';
import { count } from './wording.ts';

/** Messages that begin with a verb have the option, or else the section, for their subject. */
const predicate = /^(is|has|does|needs|takes|replaces|continues) /;

/** One line: `FILE:LINE: error: service 'web': option 'port': '99999' is no port; accepted: a port 1–65535, …`. */
export function formatProblem(problem: Problem): string {
  const { file, line, severity, section, option, message, accepted } = problem;
  const where = [
    `${file}:${line}: ${severity}`,
    ...(section === undefined ? [] : [section]),
    ...(option === undefined ? [] : [`option '${option}'`]),
  ];
  const joint = where.length > 1 && predicate.test(message) ? ' ' : ': ';
  return `${where.join(': ')}${joint}${message}${accepted === undefined ? '' : `; accepted: ${accepted}`}`;
}

/** `2 errors, 1 warning`; `no problems`. */
export function summarizeProblems(problems: readonly Problem[]): string {
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  const warnings = problems.length - errors;
  const parts = [
    ...(errors > 0 ? [count(errors, 'error')] : []),
    ...(warnings > 0 ? [count(warnings, 'warning')] : []),
  ];
  return parts.join(', ') || 'no problems';
}

/** True where `oneip check` exits with 1. */
export function hasErrors(problems: readonly Problem[]): boolean {
  return problems.some(({ severity }) => severity === 'error');
}
