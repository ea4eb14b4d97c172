/**
 * Edits of a UCI text that leave everything else as it is, to the byte: comments, quotes, order, blank lines. Every edit is
 * read again, and refused where it would mean anything but what was asked for; so a text that is odd, or broken in places,
 * is rather left alone than spoilt.
 */
import { parseUci } from './uci.ts';
import type { UciBlock, UciStatement } from './uci-statements.ts';
import { locateStatements } from './uci-statements.ts';
import { quote } from './wording.ts';

/** An edit that cannot be done; `message` is one clause that says why. */
export class UciEditError extends Error {}

/** Options of a section that is added: a text for an option, several for a list. */
export type NewOptions = Readonly<Record<string, string | readonly string[]>>;

/** Sets an option of a named section; a list of that name becomes an option. */
export function setOption(text: string, type: string, name: string, option: string, value: string): string {
  checkOption(option, [value]);
  const block = blockNamed(text, type, name);
  const given = block.statements.filter((statement) => statement.keyword !== 'config' && statement.name === option);
  // The last one counts. An empty value counts for nothing, but its line is a place to write to.
  const last = given.findLast(hasValue) ?? given.at(-1);
  const edits: Edit[] = [];
  if (!last) edits.push(insertion(text, block.statements, [line('option', option, value)]));
  else {
    // What stands before an option is without effect, and stays; before an item of a list it was in effect.
    if (last.keyword === 'list')
      edits.push(...given.filter((other) => other !== last).map((other) => removal(text, other)));
    edits.push(...withKeyword('option', last), ...withValue(text, value, last));
  }
  return verified(text, applied(text, edits), (sections) => {
    sectionIn(sections, type, name)?.options.set(option, { list: false, values: [value] });
  });
}

/**
 * Sets all values of a list of a named section, or takes it out where there are none; an option of that name becomes a
 * list. Lines whose value stays are not touched.
 */
export function setList(text: string, type: string, name: string, option: string, values: readonly string[]): string {
  checkOption(option, values);
  const block = blockNamed(text, type, name);
  const given = block.statements.filter((statement) => statement.keyword !== 'config' && statement.name === option);
  const counting = given.filter(hasValue);
  // An option replaces what stands before it.
  const replacing = counting.findLastIndex(({ keyword }) => keyword === 'option');
  const kept = lastingLines(counting.slice(Math.max(0, replacing)), values);
  const gone = given.filter((statement) => !kept.includes(statement));
  const edits = [
    ...gone.map((statement) => removal(text, statement)),
    ...kept.flatMap((statement, index) => [
      ...withKeyword('list', statement),
      ...withValue(text, values[index] ?? '', statement),
    ]),
  ];
  const added = values.slice(kept.length).map((value) => line('list', option, value));
  if (added.length > 0) {
    const last = kept.at(-1);
    const anchors = last ? [last] : block.statements.filter((statement) => !gone.includes(statement));
    edits.push(insertion(text, anchors, added));
  }
  return verified(text, applied(text, edits), (sections) => {
    const { options } = sectionIn(sections, type, name) ?? {};
    if (values.length === 0) options?.delete(option);
    else options?.set(option, { list: true, values: [...values] });
  });
}

/** Adds a value to a list of a named section, unless it is there; an option of that name becomes a list. */
export function addToList(text: string, type: string, name: string, option: string, value: string): string {
  const values = valuesOf(text, type, name, option);
  return values.includes(value) ? text : setList(text, type, name, option, [...values, value]);
}

/** Takes a value out of a list of a named section, wherever it stands in it; nothing happens where it does not. */
export function removeFromList(text: string, type: string, name: string, option: string, value: string): string {
  const values = valuesOf(text, type, name, option);
  const left = values.filter((other) => other !== value);
  return left.length === values.length ? text : setList(text, type, name, option, left);
}

/** Adds a section at the end. Throws where any section has the name. */
export function addSection(text: string, type: string, name: string, options: NewOptions): string {
  if (!/^[!-~]+$/.test(type)) throw new UciEditError(`${quote(type)} is no section type`);
  if (!/^[A-Za-z0-9_]+$/.test(name)) throw new UciEditError(`${quote(name)} is no section name`);
  const other = parseUci(text, '').sections.find((section) => section.name === name);
  if (other) throw new UciEditError(`there is a ${other.type} ${quote(name)} already (line ${other.line})`);
  const lines = Object.entries(options).flatMap(([option, given]) => {
    const list = typeof given !== 'string';
    const values = list ? given : [given];
    checkOption(option, values);
    return values.map((value) => line(list ? 'list' : 'option', option, value));
  });
  const newline = newlineOf(text);
  const gap = text === '' ? '' : text.endsWith('\n') ? newline : newline + newline;
  const body = [
    `config ${/^[A-Za-z0-9_-]+$/.test(type) ? type : written(type)} '${name}'`,
    ...lines.map((entry) => `\t${entry}`),
  ];
  const after = text + gap + body.map((entry) => entry + newline).join('');
  return verified(text, after, (sections) => {
    const added: [string, PlainOption][] = Object.entries(options)
      .map(([option, given]): [string, PlainOption] => [
        option,
        typeof given === 'string' ? { list: false, values: [given] } : { list: true, values: [...given] },
      ])
      .filter(([, { values }]) => values.length > 0);
    sections.push({ type, name, options: new Map(added) });
  });
}

/**
 * Removes a named section: its statements, the comments between them, and the blank line before it. Comments behind its
 * last statement stay, since they may be about what follows.
 */
export function removeSection(text: string, type: string, name: string): string {
  const { statements } = blockNamed(text, type, name);
  const edits = statements.flatMap((statement, index) => {
    const next = statements[index + 1];
    const edit = removal(text, statement);
    const between = next && next.keyword !== 'config' ? text.slice(edit.end, next.start) : '';
    const comments = /^(?:[ \t\r\v\f]*(?:#[^\n]*)?\n)+/.exec(between)?.[0].length ?? 0;
    const blank =
      statement.keyword === 'config' && startsLine(text, edit.start) ? blankLineBefore(text, edit.start) : 0;
    // Lines between two statements go only where both do as a whole.
    return [{ ...edit, start: edit.start - blank, end: startsLine(text, edit.end) ? edit.end + comments : edit.end }];
  });
  return verified(text, applied(text, edits), (sections) => {
    const removed = sectionIn(sections, type, name);
    if (removed) sections.splice(sections.indexOf(removed), 1);
  });
}

/**
 * Statements that stay for the given values, one each from the first value on: those that hold it already where the rest of
 * the list allows it, so that taking one value out of a list touches no other line.
 */
function lastingLines(statements: readonly UciStatement[], values: readonly string[]): UciStatement[] {
  const spare = statements.length - values.length;
  const kept: UciStatement[] = [];
  let skipped = 0;
  for (const value of values) {
    const ahead = statements.slice(kept.length + skipped, kept.length + Math.max(skipped, spare) + 1);
    const match = ahead.findIndex((statement) => statement.value === value);
    if (match > 0) skipped += match;
    const statement = statements[kept.length + skipped];
    if (!statement) break;
    kept.push(statement);
  }
  return kept;
}

/** Text that takes the place of what stands from `start` up to `end`. */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

function applied(text: string, edits: readonly Edit[]): string {
  const ordered = [...edits].sort((one, other) => one.start - other.start || one.end - other.end);
  let result = '';
  let position = 0;
  for (const edit of ordered) {
    result += text.slice(position, Math.max(position, edit.start)) + edit.text;
    position = Math.max(position, edit.end);
  }
  return result + text.slice(position);
}

function hasValue({ value }: UciStatement): boolean {
  return value !== '';
}

/** Takes a statement out: with its lines where nothing else stands on them, comments aside. */
function removal(text: string, { start, end }: UciStatement): Edit {
  const lineStart = text.lastIndexOf('\n', start - 1) + 1;
  const lineEnd = endOfLine(text, end);
  const alone = /^[ \t\r\v\f]*$/.test(text.slice(lineStart, start)) && restIsIdle(text.slice(end, lineEnd));
  if (alone) return { start: lineStart, end: Math.min(lineEnd + 1, text.length), text: '' };
  return { start, end: text[end] === ';' ? end + 1 : end, text: '' };
}

/** Puts lines below the last of the statements, indented as it is; behind it where more follows on its line. */
function insertion(text: string, statements: readonly UciStatement[], lines: readonly string[]): Edit {
  const anchor = statements.at(-1);
  if (!anchor) throw new UciEditError('there is no place for it');
  const lineEnd = endOfLine(text, anchor.end);
  if (!restIsIdle(text.slice(anchor.end, lineEnd))) {
    const inline = lines.map((entry) => `; ${entry}`).join('');
    return { start: anchor.end, end: anchor.end, text: inline };
  }
  const before = text.slice(text.lastIndexOf('\n', anchor.start - 1) + 1, anchor.start);
  const indent = anchor.keyword !== 'config' && /^[ \t]*$/.test(before) ? before : '\t';
  const newline = newlineOf(text);
  if (lineEnd === text.length) {
    return { start: lineEnd, end: lineEnd, text: lines.map((entry) => newline + indent + entry).join('') };
  }
  return { start: lineEnd + 1, end: lineEnd + 1, text: lines.map((entry) => indent + entry + newline).join('') };
}

function withKeyword(keyword: 'option' | 'list', statement: UciStatement): Edit[] {
  return statement.keyword === keyword ? [] : [{ ...statement.word, text: keyword }];
}

/** Writes another value, in the quotes that the old one has. */
function withValue(text: string, value: string, statement: UciStatement): Edit[] {
  if (statement.value === value) return [];
  const { start, end } = statement.written;
  const old = text.slice(start, end);
  const blank = start > 0 && /[ \t\r\v\f]/.test(text[start - 1] ?? '') ? '' : ' ';
  if (/^[A-Za-z0-9_.:/-]+$/.test(old) && /^[A-Za-z0-9_.:/-]+$/.test(value)) return [{ start, end, text: value }];
  if (/^"[^"\\]*"$/.test(old)) return [{ start, end, text: `"${value.replace(/["\\]/g, '\\$&')}"` }];
  return [{ start, end, text: blank + written(value) }];
}

function line(keyword: 'option' | 'list', option: string, value: string): string {
  return `${keyword} ${option} ${written(value)}`;
}

/** A value in single quotes, as `uci` prints it. */
function written(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`;
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  return end < 0 ? text.length : end;
}

/** True where nothing but blanks, empty statements and a comment stand on the rest of a line. */
function restIsIdle(rest: string): boolean {
  return /^[ \t\r\v\f;]*(?:#.*)?$/s.test(rest);
}

function startsLine(text: string, position: number): boolean {
  return position === 0 || text[position - 1] === '\n';
}

/** Length of the blank line that ends at a position, else 0. */
function blankLineBefore(text: string, position: number): number {
  return /(?:^|\n)([ \t]*\r?\n)$/.exec(text.slice(Math.max(0, position - 200), position))?.[1]?.length ?? 0;
}

function newlineOf(text: string): string {
  return /\r\n/.test(text) && !/[^\r]\n/.test(text) ? '\r\n' : '\n';
}

function checkOption(option: string, values: readonly string[]): void {
  if (!/^[A-Za-z0-9_]+$/.test(option)) throw new UciEditError(`${quote(option)} is no option name`);
  if (values.includes('')) throw new UciEditError(`option ${quote(option)} cannot have an empty value`);
  if (values.some((value) => value.includes('\0'))) throw new UciEditError(`option ${quote(option)} cannot hold NUL`);
}

function valuesOf(text: string, type: string, name: string, option: string): readonly string[] {
  blockNamed(text, type, name);
  const section = sectionIn(meaningOf(text).sections, type, name);
  return section?.options.get(option)?.values ?? [];
}

/** The section to be edited. */
function blockNamed(text: string, type: string, name: string): UciBlock {
  const section = parseUci(text, '').sections.find((entry) => entry.type === type && entry.name === name);
  const block = locateStatements(text).find((entry) => entry.type === type && entry.name === name);
  if (name === '' || !section || !block) throw new UciEditError(`there is no ${type} ${quote(name)}`);
  if (section.damaged) {
    throw new UciEditError(`${type} ${quote(name)} (line ${section.line}) has a statement that cannot be read`);
  }
  return block;
}

interface PlainOption {
  readonly list: boolean;
  readonly values: readonly string[];
}

/** What a section means, without where it stands. */
interface PlainSection {
  readonly type: string;
  readonly name: string;
  readonly options: Map<string, PlainOption>;
}

function sectionIn(sections: readonly PlainSection[], type: string, name: string): PlainSection | undefined {
  return sections.find((section) => section.type === type && section.name === name);
}

/** The edited text, after it has been read again; `change` does the same to what the text meant before. */
function verified(before: string, after: string, change: (sections: PlainSection[]) => void): string {
  const expected = meaningOf(before);
  change(expected.sections);
  if (canonical(expected) !== canonical(meaningOf(after))) {
    throw new UciEditError('the text is written in a way that cannot be edited safely');
  }
  return after;
}

interface Meaning {
  readonly sections: PlainSection[];
  /** Statements that cannot be read. */
  readonly errors: number;
}

function meaningOf(text: string): Meaning {
  const { sections, problems } = parseUci(text, '');
  return {
    sections: sections.map(({ type, name = '', options }) => ({
      type,
      name,
      options: new Map(
        [...options.values()].map(({ name: option, list, values }) => [
          option,
          { list, values: values.map((value) => value.text) },
        ]),
      ),
    })),
    errors: problems.filter(({ severity }) => severity === 'error').length,
  };
}

function canonical({ sections, errors }: Meaning): string {
  const sorted = sections.map(({ type, name, options }) => {
    const entries = [...options].sort(([one], [other]) => (one < other ? -1 : 1));
    return [type, name, entries.map(([option, { list, values }]) => [option, list, values])];
  });
  return JSON.stringify([sorted, errors]);
}
