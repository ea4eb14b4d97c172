import { parseUci } from '../config/uci.ts';
import { quote } from '../config/wording.ts';
import type { Understood } from './answers.ts';
import { freeName } from './propose.ts';

/** Whether a configuration has a service of that name. */
export function existingService(text: string, name: string): boolean {
  return parseUci(text, '').sections.some((section) => section.type === 'service' && section.name === name);
}

/** A name that a new service can have, be there a service of the same name or not. */
export function readServiceName(text: string, name: string): Understood<string> {
  if (!/^[a-z0-9_]{1,32}$/.test(name))
    return { problem: `${quote(name)} is no name; accepted: up to 32 letters a–z, digits and underscores` };
  if (otherNames(text).has(name)) return { problem: `another section has the name ${quote(name)}` };
  return { value: name };
}

/** The usual name, or it with a number where a section that is no service has it. */
export function proposeServiceName(text: string, usual: string): string {
  return freeName(usual, otherNames(text));
}

/** The name with a number that makes it one that no section has. */
export function anotherServiceName(text: string, name: string): string {
  const { sections } = parseUci(text, '');
  return freeName(name, new Set([name, ...sections.flatMap((section) => section.name ?? [])]));
}

/** Names of all sections but those of services. */
function otherNames(text: string): Set<string> {
  const sections = parseUci(text, '').sections.filter(({ type }) => type !== 'service');
  return new Set(sections.flatMap(({ name }) => name ?? []));
}
