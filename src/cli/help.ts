import { COMMANDS, FLAGS, GENERAL, OPTIONS } from './arguments.ts';
import type { Command } from './arguments.ts';

/** Columns between which summaries are aligned. */
const OPTION_WIDTH = 17;

/** Help for all commands, or for one: with it only the options that it takes. */
export function helpText(command: string): string {
  const chosen = COMMANDS.filter(({ name }) => command === '' || name === command);
  const shown = chosen.length > 0 ? chosen : COMMANDS;
  const relevant = (name: string) => GENERAL.includes(name) || shown.some(({ takes }) => takes.includes(name));
  const usage = ({ name, operands }: Command) => `oneip ${name}${operands ? ` ${operands}` : ''}`;
  const width = Math.max(...shown.map((entry) => usage(entry).length));
  const line = (name: string, summary: string) => `  ${`--${name}`.padEnd(OPTION_WIDTH)}  ${summary}`;
  const optionLines = Object.entries(OPTIONS)
    .filter(([name]) => relevant(name))
    .map(([name, { value, summary, fallback }]) =>
      line(`${name} ${value}`, fallback === undefined ? summary : `${summary} (default ${fallback})`),
    );
  const flagLines = Object.entries(FLAGS)
    .filter(([name]) => relevant(name))
    .map(([name, summary]) => line(name, summary));
  return [
    'One address, many servers, no connection table.',
    '',
    'Usage:',
    ...shown.map((entry) => `  ${usage(entry).padEnd(width)}  ${entry.summary}`),
    '',
    'Options:',
    ...optionLines,
    ...flagLines,
    '',
    'Examples:',
    ...shown.flatMap(({ examples }) => examples.map((example) => `  ${example}`)),
    '',
    'Exit status: 0 done, 1 failed, refused, or something is wrong (check, doctor), 2 wrong usage,',
    '3 no daemon runs (or no ubus) to be asked, 4 the package that has the command is not installed.',
    '',
  ].join('\n');
}
