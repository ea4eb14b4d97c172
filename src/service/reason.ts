/** Characters of a reason that are kept. */
const LONGEST = 200;

/** A reason that others have given, fit for one line of a log, an event, or the environment of a script. */
export function oneLine(reason: string): string {
  const line = reason.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').trim();
  return Array.from(line).slice(0, LONGEST).join('');
}
