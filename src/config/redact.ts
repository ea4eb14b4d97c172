import { sectionTypes } from './options.ts';
import { parseUci } from './uci.ts';

/** What stands in the place of a secret; itself a value that is accepted. */
const HIDDEN = '*'.repeat(16);

/** Names of options whose values must not be shown. */
const secrets = Object.values(sectionTypes).flatMap((table) =>
  Object.entries(table).flatMap(([name, { type }]) => (type.isSecret ? name : [])),
);

/**
 * The text of a configuration without its secrets, for whoever may read it: wherever one stands, even in an option that its
 * name was meant for in a section of another type.
 */
export function withoutSecrets(text: string): string {
  const names = secrets.join('|');
  const values = parseUci(text, '').sections.flatMap(({ options }) =>
    secrets.flatMap((name) => options.get(name)?.values.map((value) => value.text) ?? []),
  );
  const lines = new RegExp(`\\b(option|list)(\\s+)(['"]?)(${names})\\3([ \\t])(?:\\\\\\n|[^\\n])*`, 'g');
  const hidden = text.replace(lines, `$1$2$4$5'${HIDDEN}'`);
  return values.filter((value) => value !== '').reduce((left, value) => left.replaceAll(value, HIDDEN), hidden);
}
