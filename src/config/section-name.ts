import type { Findings } from './findings.ts';

/** Longest name of a section; it becomes part of names in nftables. */
const longestName = 32;

interface Named {
  readonly name: string | undefined;
  readonly label: string;
  readonly line: number;
}

/** The name of a section by which others refer to it; reports a missing or unfit one. */
export function checkSectionName(section: Named, type: string, findings: Findings): string | undefined {
  const { name, label, line } = section;
  const place = { line, section: label };
  if (name === undefined) {
    findings.error(place, 'needs a name', `config ${type} 'NAME', of letters a–z, digits and underscores`);
    return undefined;
  }
  if (/^[a-z0-9_]+$/.test(name) && name.length <= longestName) return name;
  const lower = name.toLowerCase().slice(0, longestName);
  findings.error(
    place,
    name.length > longestName ? `has a name of more than ${longestName} characters` : 'has capital letters in its name',
    `1–${longestName} letters a–z, digits and underscores, such as '${lower}'`,
  );
  return undefined;
}
