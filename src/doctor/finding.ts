import type { Problem } from '../config/problem.ts';
import { formatProblem } from '../config/report.ts';

/** Something about a set-up that keeps direct return from working, or may. */
export interface Finding {
  /** What kind of mistake it is, for scripts: `ghost-missing`, `arp-ignore`, … */
  readonly id: string;
  /** `error`: clients are lost because of it; `warning`: some are, or may be; `information`: good to know, and no fault. */
  readonly severity: 'error' | 'warning' | 'information';
  /** What was found: a clause without a full stop, in which addresses and devices are named. */
  readonly what: string;
  /** Why it matters: a sentence. */
  readonly why: string;
  /** What mends it. */
  readonly mend?: Mend;
  /** What to do where no command can know it, or beside the command: a sentence. */
  readonly advice?: string;
}

/** Commands that mend something, in order. */
export interface Mend {
  /** Each a program and its arguments, none of which holds what a shell would not take as it stands. */
  readonly commands: readonly (readonly string[])[];
  /** Where they are to be given, if that is not this machine. */
  readonly on?: string;
  /** True where they take nothing from anybody and can be undone, so that `--fix` may give them. */
  readonly safe: boolean;
}

/** What was looked at, and what came of it. */
export interface Diagnosis {
  readonly findings: readonly Finding[];
  /** What could not be looked at, and why: sentences without a full stop. */
  readonly unknown: readonly string[];
}

/** The worst first, otherwise in the order given; what is said twice counts once, as the worse of both. */
export function sortFindings(findings: readonly Finding[]): Finding[] {
  const rank = { error: 0, warning: 1, information: 2 } as const;
  const sorted = [...findings].sort((a, b) => rank[a.severity] - rank[b.severity]);
  const said = new Set<string>();
  return sorted.filter(({ id, what }) => !said.has(`${id} ${what}`) && said.add(`${id} ${what}`));
}

/** What is wrong in a configuration. */
export function configurationFinding(problem: Problem): Finding {
  const { severity } = problem;
  return {
    id: 'configuration',
    severity,
    // The severity stands before it anyway.
    what: formatProblem(problem).replace(`: ${severity}: `, ': '),
    why:
      severity === 'error'
        ? 'The daemon refuses it.'
        : 'The service may lack something, or have something that nobody meant.',
    advice: "'oneip check' tells it again, as soon as the file or the router is another.",
  };
}

/** The configuration is switched off as a whole. */
export const SWITCHED_OFF: Finding = {
  id: 'switched-off',
  severity: 'warning',
  what: "oneip is switched off by option 'enabled' of config globals",
  why: 'Nothing is done for any service, whatever else stands in the file.',
  mend: mendByHand('uci set oneip.globals.enabled=1', 'uci commit oneip', 'service oneip restart'),
};

/** True where the exit status has to say that something is wrong. */
export function isFaulty(findings: readonly Finding[]): boolean {
  return findings.some(({ severity }) => severity !== 'information');
}

/** A mend that `--fix` may carry out here. */
export function mendBy(...lines: readonly string[]): Mend {
  return { commands: lines.map(words), safe: true };
}

/** A mend that somebody has to want. */
export function mendByHand(...lines: readonly string[]): Mend {
  return { commands: lines.map(words), safe: false };
}

/** The command that sets a sysctl. Keys are paths, since device names may hold dots; both spellings are understood everywhere. */
export function sysctlCommand(key: string, value: string): string {
  return `sysctl -w ${key.includes('.') ? key : key.replaceAll('/', '.')}=${value}`;
}

function words(line: string): string[] {
  return line.split(' ').filter((word) => word !== '');
}
