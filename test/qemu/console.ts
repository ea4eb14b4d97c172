/** A line to somebody who prints and is typed to: a serial port, a pseudoterminal. */
export interface Terminal {
  write(text: string): void;
  /** Calls back for every piece of text that comes. */
  onText(listener: (text: string) => void): void;
  /** Calls back once, when nothing comes any more. */
  onEnd(listener: () => void): void;
}

/** What a command has printed, and how it ended. */
export interface Reply {
  /** Exit status; 128 + signal number where a signal ended it. */
  readonly status: number;
  /** Without the line that was typed, and without the last line break. */
  readonly output: string;
}

interface Expectation {
  readonly pattern: RegExp;
  found(match: RegExpExecArray): void;
  fail(error: Error): void;
}

/** Characters of a command, or of a piece of a file, in a typed line: BusyBox as OpenWrt has it keeps 512 in all. */
const LINE_LIMIT = 300;

/** Milliseconds after which a shell that says nothing is asked again. */
const RETRY = 3_000;

/** Orders to the terminal, of which BusyBox's line editor prints some (ECMA-48, control sequences). */
const CONTROL_SEQUENCE = /\x1b\[[0-9;?]*[ -/]*[@-~]/g;

/** Waits for what a terminal prints, as expect(1) does. One wait at a time. */
export class Console {
  readonly #terminal: Terminal;
  #transcript = '';
  #unread = '';
  #ended = false;
  #expectation: Expectation | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    terminal.onText((text) => this.#take(text));
    terminal.onEnd(() => {
      this.#ended = true;
      this.#expectation?.fail(new Error(`the terminal has ended\n${this.tail()}`));
    });
  }

  /** Types text as it stands; `\n` is the return key. */
  type(text: string): void {
    this.#terminal.write(text);
  }

  /**
   * Resolves with the first match in what has come since the last one, and takes everything up to its end for read. Rejects
   * after `timeout` milliseconds, or when the terminal ends. Line breaks are `\n`.
   */
  expect(pattern: RegExp, timeout: number): Promise<RegExpExecArray> {
    if (this.#expectation) throw new Error(`still waiting for ${this.#expectation.pattern.source}`);
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer);
        this.#expectation = undefined;
      };
      const timer = setTimeout(() => {
        settle();
        reject(new Error(`nothing like ${pattern.source} within ${timeout} ms\n${this.tail()}`));
      }, timeout);
      this.#expectation = {
        pattern,
        found: (match) => {
          settle();
          resolve(match);
        },
        fail: (error) => {
          settle();
          reject(error);
        },
      };
      this.#look();
      if (this.#ended) this.#expectation?.fail(new Error(`the terminal has ended\n${this.tail()}`));
    });
  }

  /** True when nothing comes any more. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The last characters that came, for messages. */
  tail(count = 3_000): string {
    return this.#transcript.slice(-count);
  }

  #take(text: string): void {
    const plain = text.replaceAll('\r', '');
    this.#transcript += plain;
    // As a whole, since a sequence may come in pieces.
    this.#unread = (this.#unread + plain).replace(CONTROL_SEQUENCE, '');
    this.#look();
  }

  #look(): void {
    const match = this.#expectation?.pattern.exec(this.#unread);
    if (!match) return;
    this.#unread = this.#unread.slice(match.index + match[0].length);
    this.#expectation?.found(match);
  }
}

/** Marks that are printed otherwise than they are typed, so that their echo is not taken for them. */
function mark(name: string): { readonly typed: string; readonly printed: string } {
  return { typed: `=="${name}"==`, printed: `==${name}==` };
}

/** A POSIX shell behind a console, which may echo, prompt and edit lines as it likes. Commands wait for those before them. */
export class Shell {
  readonly console: Console;
  #count = 0;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(console: Console) {
    this.console = console;
  }

  /**
   * Takes over a shell that waits for input, or that starts when somebody presses return; resolves once it has answered.
   * `timeout`: milliseconds.
   */
  static async take(console: Console, timeout: number): Promise<Shell> {
    const until = performance.now() + timeout;
    for (let tries = 1; ; tries += 1) {
      const { typed, printed } = mark(`here ${tries}`);
      console.type(`\necho ${typed}\n`);
      try {
        await console.expect(new RegExp(printed), RETRY);
        return new Shell(console);
      } catch (error) {
        // What is typed while a program such as getty starts may be thrown away.
        if (performance.now() > until || console.ended) throw error;
      }
    }
  }

  /** Runs a command, of one or many lines, to its end in a subshell, whatever its status. Its input is empty. */
  attempt(command: string, timeout = 60_000): Promise<Reply> {
    const script = command.trim();
    if (script.length <= LINE_LIMIT && !script.includes('\n')) return this.#inTurn(() => this.#line(script, timeout));
    const file = '${TMPDIR:-/tmp}/.typed';
    return this.#inTurn(async () => {
      await this.#write(file, `${script}\n`);
      return this.#line(`. ${file}`, timeout);
    });
  }

  /** Runs a command and returns what it printed; rejects where its status is not 0. */
  async run(command: string, timeout?: number): Promise<string> {
    const { status, output } = await this.attempt(command, timeout);
    if (status !== 0) throw new Error(`${command}: status ${status}\n${output}`);
    return output;
  }

  /** Writes a file of printable ASCII and line breaks by typing it. `path` is a word of the shell's, which expands it. */
  write(path: string, text: string): Promise<void> {
    return this.#inTurn(() => this.#write(path, text));
  }

  #inTurn<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(task);
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #write(path: string, text: string): Promise<void> {
    if (/[^\n\t -~]/.test(text)) throw new Error(`cannot type what is to go into ${path}`);
    let target = `>${path}`;
    for (const piece of pieces(text)) {
      const { status, output } = await this.#line(`printf '%b' '${piece}' ${target}`, 60_000);
      if (status !== 0) throw new Error(`${path}: ${output}`);
      target = `>>${path}`;
    }
  }

  async #line(command: string, timeout: number): Promise<Reply> {
    this.#count += 1;
    const begin = mark(`begin ${this.#count}`);
    const end = mark(`end ${this.#count}`);
    // The bracket has a line of its own, so that a command may end in `&`; it is echoed before anything runs.
    this.console.type(`echo ${begin.typed}; (${command}\n) </dev/null; echo ${end.typed}$?.\n`);
    await this.console.expect(new RegExp(`${begin.printed}\n`), timeout);
    const [text = '', status] = await this.console.expect(new RegExp(`[^]*?${end.printed}(\\d+)\\.`), timeout);
    const output = text.slice(0, text.lastIndexOf(end.printed));
    return { status: Number(status), output: output.replace(/\n$/, '') };
  }
}

/** Text in pieces that `printf %b` puts together again, each short enough to be typed. */
function* pieces(text: string): Generator<string> {
  const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\t': '\\t', "'": '\\0047' };
  let piece = '';
  for (const character of text) {
    piece += escapes[character] ?? character;
    if (piece.length > LINE_LIMIT) {
      yield piece;
      piece = '';
    }
  }
  yield piece;
}
