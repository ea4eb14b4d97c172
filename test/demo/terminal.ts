import { atExit } from '../lab/exit.ts';

const styles = { bold: '1', dim: '2', red: '31', green: '32', yellow: '33', cyan: '36' } as const;

/**
 * Standard output as a page that grows, with a region at its end that is redrawn in place. Where it is no terminal (a pipe,
 * a log), nothing is redrawn and nothing coloured: the region is written once, when it is kept.
 */
export class Terminal {
  readonly live = process.stdout.isTTY === true && process.env['TERM'] !== 'dumb';
  #drawn = 0;
  #lastProgress = '';

  constructor() {
    if (!this.live) return;
    atExit(() => this.#put('\x1b[?25h'));
    this.#put('\x1b[?25l');
  }

  /** Text in a style, where styles can be seen. */
  style(style: keyof typeof styles, text: string): string {
    return this.live ? `\x1b[${styles[style]}m${text}\x1b[0m` : text;
  }

  /** Lines that stay, above the region. */
  print(...lines: readonly string[]): void {
    this.#erase();
    for (const line of lines) this.#put(`${line}\n`);
  }

  /** Redraws the region. Lines must fit the width that `columns` gives. */
  draw(lines: readonly string[]): void {
    if (!this.live) return;
    // A region taller than the window cannot be reached any more by moving up: its end has to do.
    const shown = lines.slice(-Math.max(1, process.stdout.rows - 1));
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A` : '';
    this.#put(`${up}${shown.map((line) => `\x1b[2K${line}\n`).join('')}\x1b[J`);
    this.#drawn = shown.length;
  }

  /** A paragraph that stays, indented and wrapped to the window. */
  paragraph(text: string): void {
    const width = Math.min(process.stdout.columns || 100, 100) - 2;
    const lines: string[] = [];
    for (const word of text.split(' ')) {
      const last = lines.at(-1);
      if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
      else lines.push(word);
    }
    this.print(...lines.map((line) => this.style('dim', `  ${line}`)));
  }

  /** A line about what is going on, for those who have no live region; repeated only where it changes. */
  progress(line: string): void {
    if (this.live || line === this.#lastProgress) return;
    this.#lastProgress = line;
    this.#put(`${line}\n`);
  }

  #erase(): void {
    if (this.#drawn > 0) this.#put(`\x1b[${this.#drawn}A\x1b[J`);
    this.#drawn = 0;
  }

  #put(text: string): void {
    process.stdout.write(text);
  }
}
