import type { Place } from './findings.ts';

/**
 * Where the parts of a model stand in its file, for problems that are found after the file has been read. A value is
 * known by its canonical text.
 */
export class Positions {
  readonly file: string;
  readonly #lines = new Map<string, number>();

  constructor(file: string) {
    this.file = file;
  }

  /** Notes the line of a section, of an option of it, or of one value of that. */
  note(line: number, section: string, option = '', value = ''): void {
    this.#lines.set(key(section, option, value), line);
  }

  /** The place of the value where it is known; else of the option; else of the section; line 1 if nothing is known. */
  place(section: string, option = '', value = ''): Place {
    const line =
      this.#lines.get(key(section, option, value)) ??
      this.#lines.get(key(section, option, '')) ??
      this.#lines.get(key(section, '', '')) ??
      1;
    return option === '' ? { line, section } : { line, section, option };
  }
}

function key(...parts: readonly string[]): string {
  return parts.join('\n');
}
