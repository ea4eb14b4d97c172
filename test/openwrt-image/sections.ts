import { uciSection, type UciOptions } from '../lab/uci.ts';

/** A section of a configuration. */
export interface Section {
  readonly type: string;
  readonly name: string;
  readonly options: UciOptions;
}

/** As text of a file in /etc/config. */
export function asText(sections: readonly Section[]): string {
  return sections.map(({ type, name, options }) => uciSection(type, name, options)).join('');
}

/** As input of `uci batch`, which is to make the sections in the file `config`. */
export function asBatch(config: string, sections: readonly Section[]): string {
  const lines = sections.flatMap(({ type, name, options }) => [
    `set ${config}.${name}='${type}'`,
    ...Object.entries(options).flatMap(([key, value]) => {
      if (value === undefined) return [];
      return Array.isArray(value)
        ? value.map((item) => `add_list ${config}.${name}.${key}='${item}'`)
        : [`set ${config}.${name}.${key}='${String(value)}'`];
    }),
  ]);
  return [...lines, `commit ${config}`, ''].join('\n');
}
