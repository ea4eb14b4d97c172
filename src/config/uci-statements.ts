import { opensSection } from './uci.ts';
import type { Mark } from './uci-words.ts';
import { UciSyntaxError, UciWords } from './uci-words.ts';

/** A part of a text: from `start` up to, and without, `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A statement of a UCI text and where it stands. `end` is where the parser has found its end: a line feed, `;` or `#`. */
export interface UciStatement extends Span {
  readonly keyword: 'config' | 'option' | 'list';
  /** Of the keyword alone. */
  readonly word: Span;
  /** Name of the option; type of the section. */
  readonly name: string;
  /** Value of the option, as it is meant; name of the section, empty where it has none. */
  readonly value: string;
  /** Of the value as it is written, quotes included; empty where there is none. */
  readonly written: Span;
}

/** A section with its statements, a `config` first; more of them where it is opened again. */
export interface UciBlock {
  readonly type: string;
  readonly name: string;
  readonly statements: UciStatement[];
}

const KEYWORDS: Readonly<Record<string, UciStatement['keyword'] | 'package'>> = {
  config: 'config',
  c: 'config',
  option: 'option',
  o: 'option',
  list: 'list',
  l: 'list',
  package: 'package',
  p: 'package',
};

/** The sections of a text and where their statements stand. What cannot be read is passed over as `parseUci` does. */
export function locateStatements(text: string): UciBlock[] {
  const words = new UciWords(text);
  const blocks: UciBlock[] = [];
  let current: UciBlock | undefined;
  while (words.nextStatement()) {
    const start = words.mark();
    const keyword = words.keyword();
    try {
      const statement = readStatement(words, start, keyword);
      if (statement?.keyword === 'config') current = blockOf(blocks, statement);
      if (statement && current) current.statements.push(statement);
    } catch (error) {
      if (!(error instanceof UciSyntaxError)) throw error;
      if (opensSection(keyword)) current = undefined;
      words.resumeBelow(start);
    }
  }
  return blocks;
}

function readStatement(words: UciWords, start: Mark, keyword: string): UciStatement | undefined {
  const known = Object.hasOwn(KEYWORDS, keyword) ? KEYWORDS[keyword] : undefined;
  if (known === undefined) throw new UciSyntaxError('no UCI statement');
  const word = { start: start.position, end: words.mark().position };
  const name = words.word();
  // Moves over the blanks.
  words.wordLine();
  const from = words.mark().position;
  const value = known === 'package' ? '' : words.word();
  const written = { start: from, end: words.mark().position };
  if (words.word() !== '') throw new UciSyntaxError('one word too many');
  const end = words.mark().position;
  return known === 'package' ? undefined : { keyword: known, start: start.position, end, word, name, value, written };
}

/** The section that a `config` opens or continues. */
function blockOf(blocks: UciBlock[], { name: type, value: name }: UciStatement): UciBlock {
  const earlier = name === '' ? undefined : blocks.find((block) => block.name === name && block.type === type);
  if (earlier) return earlier;
  const block = { type, name, statements: [] };
  blocks.push(block);
  return block;
}
