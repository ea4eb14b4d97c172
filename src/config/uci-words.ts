/** A statement that cannot be read. `message` is one clause, `accepted` what would be read instead. */
export class UciSyntaxError extends Error {
  readonly accepted: string | undefined;

  constructor(message: string, accepted?: string) {
    super(message);
    this.accepted = accepted;
  }
}

/** A place to which the reader can go back. */
export interface Mark {
  readonly position: number;
  /** 1-based. */
  readonly line: number;
}

/**
 * Cuts UCI text into statements and words, as libuci does: words end at white space, `;` or `#`; inside single quotes
 * every character stands for itself; inside double quotes and outside of quotes a backslash takes the next character
 * literally, or joins the next line where it ends one; quoted text may run over lines; adjoining pieces are one word.
 */
export class UciWords {
  readonly #text: string;
  #position = 0;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  mark(): Mark {
    return { position: this.#position, line: this.#line };
  }

  /** Moves to the beginning of the next statement; false at the end of the text. */
  nextStatement(): boolean {
    for (;;) {
      this.#skipBlanks();
      const character = this.#text[this.#position];
      if (character === undefined) return false;
      if (character === '#') this.#position = this.#endOfLine(this.#position);
      else if (character === '\n' || character === ';') this.#advance();
      else return true;
    }
  }

  /** The statement's first word, which knows no quotes. */
  keyword(): string {
    const start = this.#position;
    while (!endsKeyword(this.#text[this.#position])) this.#position++;
    return this.#text.slice(start, this.#position);
  }

  /** The statement's next word; empty where there is none, which libuci does not tell from `''`. */
  word(): string {
    this.#skipBlanks();
    let word = '';
    for (;;) {
      const character = this.#text[this.#position];
      if (endsKeyword(character) || character === '#') return word;
      if (character === "'") word += this.#singleQuoted();
      else if (character === '"') word += this.#doubleQuoted();
      else word += this.#character();
    }
  }

  /** The line of the word that comes next. */
  wordLine(): number {
    this.#skipBlanks();
    return this.#line;
  }

  /**
   * Goes on with the line below the one that holds the mark. After a missing quote this is what saves the lines that the
   * quoted text has swallowed.
   */
  resumeBelow(mark: Mark): void {
    this.#position = this.#endOfLine(mark.position);
    this.#line = mark.line;
  }

  #advance(): void {
    if (this.#text[this.#position] === '\n') this.#line++;
    this.#position++;
  }

  #endOfLine(position: number): number {
    const end = this.#text.indexOf('\n', position);
    return end < 0 ? this.#text.length : end;
  }

  /** Length of a backslash that joins the next line (LF or CRLF), else 0. */
  #joint(): number {
    if (this.#text[this.#position] !== '\\') return 0;
    if (this.#position + 1 === this.#text.length) return 1;
    if (this.#text[this.#position + 1] === '\n') return 2;
    return this.#text.startsWith('\r\n', this.#position + 1) ? 3 : 0;
  }

  #skipJoint(length: number): void {
    for (let i = 0; i < length; i++) this.#advance();
  }

  #skipBlanks(): void {
    for (;;) {
      const joint = this.#joint();
      if (joint > 0) this.#skipJoint(joint);
      else if (isBlank(this.#text[this.#position])) this.#position++;
      else return;
    }
  }

  /** One character that is not quoted by single quotes, a backslash before it resolved. */
  #character(): string {
    const joint = this.#joint();
    if (joint > 0) {
      this.#skipJoint(joint);
      return '';
    }
    if (this.#text[this.#position] === '\\') this.#position++;
    const character = this.#text[this.#position] ?? '';
    this.#advance();
    return character;
  }

  #singleQuoted(): string {
    const start = this.#position + 1;
    const end = this.#text.indexOf("'", start);
    if (end < 0) throw unterminated("'");
    while (this.#position <= end) this.#advance();
    return this.#text.slice(start, end);
  }

  #doubleQuoted(): string {
    let word = '';
    this.#position++;
    while (this.#text[this.#position] !== '"') {
      if (this.#position >= this.#text.length) throw unterminated('"');
      word += this.#character();
    }
    this.#position++;
    return word;
  }
}

function unterminated(mark: string): UciSyntaxError {
  return new UciSyntaxError(`a quoted text is not closed`, `a ${mark} at its end`);
}

/** What C's `isspace` says in the POSIX locale, but for the line feed. */
function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\t' || character === '\r' || character === '\v' || character === '\f';
}

function endsKeyword(character: string | undefined): boolean {
  return character === undefined || character === '\n' || character === ';' || isBlank(character);
}
