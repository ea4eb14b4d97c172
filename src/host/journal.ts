import { decodeUtf8, fileStatus, readFile, removeFile, replaceFile } from 'oneip:runtime';
import { decodeUndo, encodeUndo } from '../network/undo.ts';
import type { Undo } from '../network/undo.ts';

/**
 * The undo journal in a file: what is needed to put the router back as it was, written before each change is made. A daemon
 * that was killed leaves it behind; the next one goes on with it, so that a value of ours never counts as the original one.
 */
export class Journal {
  readonly #path: string;
  #entries: readonly Undo[];
  #written: string;

  /** Reads what is there. A file that cannot be read is set aside and reported once; the journal is then empty. */
  constructor(path: string, report: (message: string) => void) {
    this.#path = path;
    this.#written = '';
    this.#entries = [];
    if (!fileStatus(path)) return;
    try {
      this.#written = decodeUtf8(readFile(path));
      this.#entries = decodeUndo(this.#written);
    } catch (error) {
      const aside = `${path}.unreadable`;
      replaceFile(aside, readFile(path), 0o600);
      removeFile(path);
      const reason = error instanceof Error ? error.message : String(error);
      report(
        `${path} cannot be read (${reason}) and was set aside as ${aside}: sysctls that were changed before stay as they are`,
      );
      this.#written = '';
    }
  }

  get entries(): readonly Undo[] {
    return this.#entries;
  }

  /** Replaces the file in one step, or removes it where nothing is left to undo; does nothing where nothing differs. */
  write(entries: readonly Undo[]): void {
    const text = entries.length === 0 ? '' : encodeUndo(entries);
    if (text !== this.#written) {
      if (text === '') removeFile(this.#path);
      else replaceFile(this.#path, text, 0o600);
      this.#written = text;
    }
    this.#entries = entries;
  }
}
