import { Findings } from './findings.ts';
import type { Problem } from './problem.ts';
import { UciSyntaxError, UciWords } from './uci-words.ts';
import { nearest, quote } from './wording.ts';

/** A value, and the line on which it begins. */
export interface UciValue {
  readonly text: string;
  /** 1-based. */
  readonly line: number;
}

export interface UciOption {
  readonly name: string;
  /** True where `list` made it; then `values` may be several. */
  readonly list: boolean;
  /** At least one. */
  readonly values: readonly UciValue[];
}

export interface UciSection {
  readonly type: string;
  /** Absent where the section is anonymous. */
  readonly name?: string;
  /** Line of its (first) `config`, 1-based. */
  readonly line: number;
  /** By name, in the order of their first appearance. */
  readonly options: ReadonlyMap<string, UciOption>;
  /** True where a statement in it could not be read, so that nobody knows what the section was meant to say. */
  readonly damaged: boolean;
}

export interface UciDocument {
  /** In file order. */
  readonly sections: readonly UciSection[];
  /** Syntax errors, and statements without effect. */
  readonly problems: readonly Problem[];
}

/** How messages call a section: `service 'web'`. */
export function sectionLabel(section: { readonly type: string; readonly name?: string }): string {
  return section.name === undefined ? `unnamed ${section.type}` : `${section.type} ${quote(section.name)}`;
}

interface OpenOption extends UciOption {
  readonly values: UciValue[];
}

interface OpenSection extends UciSection {
  readonly options: Map<string, OpenOption>;
  damaged: boolean;
}

/**
 * Reads a UCI file as libuci does, checked against it: a section that is opened twice is one, the last `option` wins,
 * `list` after `option` makes its value the first of the list, `option` after `list` replaces it, an empty `option` is
 * none. It differs where libuci gives up or loses text: a syntax error damages its section only, a section whose
 * `config` cannot be read takes its options with it, `a;option b` is two statements although `a` is not quoted, a `;` may
 * end a line, a line may be joined before white space, and an empty item of a list is none. Never throws.
 */
export function parseUci(text: string, file: string): UciDocument {
  return new UciReader(text, file).read();
}

class UciReader {
  readonly #words: UciWords;
  readonly #findings: Findings;
  readonly #sections: OpenSection[] = [];
  readonly #byName = new Map<string, OpenSection>();
  /** `lost`: inside a section whose `config` was bad. */
  #current: OpenSection | 'none' | 'lost' = 'none';

  constructor(text: string, file: string) {
    this.#words = new UciWords(text);
    this.#findings = new Findings(file);
  }

  read(): UciDocument {
    while (this.#words.nextStatement()) {
      const start = this.#words.mark();
      const keyword = this.#words.keyword();
      try {
        this.#statement(keyword, start.line);
      } catch (error) {
        if (!(error instanceof UciSyntaxError)) throw error;
        if (opensSection(keyword)) this.#current = 'lost';
        if (typeof this.#current !== 'string') this.#current.damaged = true;
        this.#findings.error({ line: start.line, section: this.#currentLabel() }, error.message, error.accepted);
        this.#words.resumeBelow(start);
      }
    }
    return { sections: this.#sections, problems: this.#findings.problems };
  }

  #statement(keyword: string, line: number): void {
    switch (keyword) {
      case 'config':
      case 'c':
        return this.#config(line);
      case 'option':
      case 'o':
        return this.#option(line, false);
      case 'list':
      case 'l':
        return this.#option(line, true);
      case 'package':
      case 'p':
        return this.#package();
      default:
        throw new UciSyntaxError(`${quote(keyword)} is no UCI statement`, 'config, option, list, or # for a comment');
    }
  }

  /** Names the file to importers; says nothing to us, who read one. */
  #package(): void {
    const name = this.#words.word();
    if (!/^[A-Za-z0-9_-]+$/.test(name)) throw new UciSyntaxError(`${quote(name)} is no package name`, 'package oneip');
    this.#endStatement();
  }

  #config(line: number): void {
    const type = this.#words.word();
    const name = this.#words.word();
    if (type === '') throw new UciSyntaxError('a section without type', "config service 'NAME', for example");
    if (!/^[!-~]+$/.test(type)) {
      throw new UciSyntaxError(`section type ${quote(type)} is none`, 'printable ASCII characters without blanks');
    }
    if (name !== '') checkName(name, 'section name');
    this.#endStatement();

    const earlier = this.#byName.get(name);
    if (earlier && earlier.type !== type) {
      throw new UciSyntaxError(
        `the name ${quote(name)} belongs to a section of type ${quote(earlier.type)} (line ${earlier.line})`,
        'a name that no other section has',
      );
    }
    if (earlier) {
      this.#findings.warning(
        { line, section: sectionLabel(earlier) },
        `continues the section of the same name on line ${earlier.line}`,
      );
      this.#current = earlier;
      return;
    }
    this.#current = { type, ...(name === '' ? {} : { name }), line, options: new Map(), damaged: false };
    this.#sections.push(this.#current);
    if (name !== '') this.#byName.set(name, this.#current);
  }

  #option(line: number, list: boolean): void {
    const name = this.#words.word();
    if (name === '') throw new UciSyntaxError(`${list ? 'a list' : 'an option'} without name`, "option NAME 'VALUE'");
    checkName(name, 'option name');
    const value = { line: this.#words.wordLine(), text: this.#words.word() };
    this.#endStatement();
    if (this.#current === 'none') {
      throw new UciSyntaxError(
        `option ${quote(name)} stands before the first section`,
        "config service 'NAME' above it, for example",
      );
    }
    if (this.#current === 'lost') return;

    const place = { line, section: sectionLabel(this.#current), option: name };
    if (value.text === '') {
      this.#findings.warning(place, 'has an empty value, which counts for nothing');
      return;
    }
    const earlier = this.#current.options.get(name);
    if (list && earlier?.list) {
      earlier.values.push(value);
      return;
    }
    if (list) {
      this.#current.options.set(name, { name, list, values: [...(earlier?.values ?? []), value] });
      return;
    }
    if (earlier) {
      const lines = earlier.values.map(({ line }) => line).join(', ');
      this.#findings.warning(
        place,
        `replaces the value given before (line ${lines})`,
        `'list ${name}' for several values`,
      );
    }
    this.#current.options.set(name, { name, list, values: [value] });
  }

  #endStatement(): void {
    const excess = this.#words.word();
    if (excess === '') return;
    throw new UciSyntaxError(`${quote(excess)} is one word too many`, 'one word, or quotes around a text with blanks');
  }

  #currentLabel(): string | undefined {
    return typeof this.#current === 'string' ? undefined : sectionLabel(this.#current);
  }
}

function checkName(name: string, what: string): void {
  if (/^[A-Za-z0-9_]+$/.test(name)) return;
  throw new UciSyntaxError(
    `${what} ${quote(name)} has other characters than UCI allows`,
    'letters, digits and underscores',
  );
}

/** True also for a mistyped `config`, so that the lines below it do not land in the section above. */
export function opensSection(keyword: string): boolean {
  return keyword === 'c' || nearest(keyword, ['config', 'option', 'list', 'package']) === 'config';
}
