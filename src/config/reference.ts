import {
  type Option,
  type OptionTable,
  globalsOptions,
  serverOptions,
  serviceOptions,
  watchdogOptions,
} from './options.ts';
import { alternatives } from './wording.ts';

/** What stands around the generated part of `docs/configuration.md`. */
export const referenceMarkers = {
  begin: '<!-- options: begin (made of src/config/options.ts) -->',
  end: '<!-- options: end -->',
} as const;

/**
 * The tables of all options, in Markdown, as they stand between the markers of `docs/configuration.md`, markers
 * included. `replaceReference` puts them there.
 */
export function configurationReference(): string {
  const parts = [
    referenceMarkers.begin,
    ...sectionReference("config globals 'globals'", globalsOptions),
    ...sectionReference("config service 'NAME'", serviceOptions),
    ...sectionReference("config server 'NAME'", serverOptions),
    ...sectionReference("config watchdog 'NAME'", watchdogOptions),
    referenceMarkers.end,
  ];
  return parts.join('\n\n');
}

/** The page with its generated part brought up to date; throws where it has no markers. */
export function replaceReference(page: string): string {
  const begin = page.indexOf(referenceMarkers.begin);
  const end = page.indexOf(referenceMarkers.end, begin);
  if (begin < 0 || end < 0) throw new Error('the page has no markers for the tables of options');
  return page.slice(0, begin) + configurationReference() + page.slice(end + referenceMarkers.end.length);
}

function sectionReference(heading: string, table: OptionTable): string[] {
  const rows = Object.entries(table).map(([key, option]) => {
    const cells = [`\`${option.kind === 'list' ? 'list' : 'option'} ${key}\``, option.type.accepted, fallback(option)];
    return `| ${[...cells, scope(option) + option.summary].map(escapeCell).join(' | ')} |`;
  });
  return [
    `### \`${heading}\``,
    ['| option | values | without it | meaning |', '| --- | --- | --- | --- |', ...rows].join('\n'),
  ];
}

/** Before the meaning of an option that not every type of section has. */
function scope({ types }: Option<unknown>): string {
  return types ? `With ${alternatives(types.map((type) => `\`${type}\``))}. ` : '';
}

function fallback(option: Option<unknown>): string {
  return option.kind === 'single' ? `\`${option.default}\`` : option.absent;
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|');
}
