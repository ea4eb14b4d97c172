import type { Diagnosis, Finding, Mend } from '../doctor/finding.ts';
import { count } from '../config/wording.ts';
import type { Paint, Style } from './style.ts';
import { plain } from './style.ts';

/** What `--fix` has done about a finding. */
export interface Repair {
  readonly finding: Finding;
  /** What went wrong; absent where all commands were carried out. */
  readonly failure?: string;
}

/** Who was looked at: `server 'web1'`, `router`. */
export interface Examination extends Diagnosis {
  readonly subject: string;
  readonly repairs: readonly Repair[];
}

const STYLE_OF: Readonly<Record<Finding['severity'], Style>> = { error: 'red', warning: 'yellow', information: 'cyan' };

/** A block for each thing that was mended, then one for each finding, and what it comes to. */
export function formatExamination({ subject, findings, unknown, repairs }: Examination, paint: Paint = plain): string {
  const blocks = [
    ...repairs.map((repair) => repairLines(repair, paint)),
    ...findings.map((finding) => findingLines(finding, paint)),
  ];
  const notes = unknown.map((sentence) => paint('dim', `not known: ${sentence}`));
  const total = summary(findings);
  const isMended = repairs.some(({ failure }) => failure === undefined);
  const lasting = isMended ? ['What was mended so lasts until the next reboot.\n'] : [];
  const end = `${subject}: ${total ?? 'nothing is wrong'}`;
  return [
    ...blocks.map((lines) => `${lines.join('\n')}\n\n`),
    ...notes.map((line) => `${line}\n`),
    ...lasting,
    `${end}\n`,
  ].join('');
}

/** The same for scripts; `command` is what a shell takes. */
export function examinationJson(examination: Examination): string {
  return `${JSON.stringify(examinationObject(examination), null, 2)}\n`;
}

/** As an object of JSON. */
export function examinationObject({ subject, findings, unknown, repairs }: Examination): object {
  return {
    subject,
    ok: findings.every(({ severity }) => severity === 'information'),
    findings: findings.map(findingObject),
    mended: repairs.map(({ finding, failure }) => ({
      ...findingObject(finding),
      ...(failure !== undefined && { failure }),
    })),
    unknown,
  };
}

/** The commands of a mend as one line for a shell: each only if the one before it has worked. */
export function commandLineOf({ commands }: Mend): string {
  return commands.map((words) => words.join(' ')).join(' && ');
}

function findingObject({ mend, ...rest }: Finding): object {
  if (!mend) return rest;
  const { safe, on } = mend;
  return {
    ...rest,
    command: commandLineOf(mend),
    automatic: safe && on === undefined,
    ...(on !== undefined && { on }),
  };
}

function repairLines({ finding, failure }: Repair, paint: Paint): string[] {
  const command = finding.mend ? commandLineOf(finding.mend) : '';
  if (failure === undefined) return [`${paint('green', 'mended')}: ${finding.what}`, `  by    ${command}`];
  return [`${paint('red', 'not mended')}: ${finding.what}`, `  by    ${command}`, `  since ${failure}`];
}

function findingLines({ severity, what, why, mend, advice }: Finding, paint: Paint): string[] {
  const where = mend?.on === undefined ? '' : `on ${mend.on}: `;
  return [
    `${paint(STYLE_OF[severity], severity)}: ${what}`,
    `  why   ${why}`,
    ...(mend ? [`  mend  ${where}${paint('bold', commandLineOf(mend))}`] : []),
    ...(advice === undefined || advice === '' ? [] : [`  ${mend ? '     ' : 'mend '} ${advice}`]),
  ];
}

function summary(findings: readonly Finding[]): string | undefined {
  const of = (severity: Finding['severity']) => findings.filter((finding) => finding.severity === severity).length;
  const parts = [
    ...(of('error') > 0 ? [count(of('error'), 'error')] : []),
    ...(of('warning') > 0 ? [count(of('warning'), 'warning')] : []),
    ...(of('information') > 0 ? [`${of('information')} for information`] : []),
  ];
  return parts.length > 0 ? parts.join(', ') : undefined;
}
