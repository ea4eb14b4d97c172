import { args, decodeUtf8, exit, isTerminal, readInput as readAll, readLine, writeOutput } from 'oneip:runtime';

/** Words behind the program's name. */
export function commandLine(): readonly string[] {
  return args;
}

/** Writes to standard output. A reader that has gone away (`oneip plan | head`) is no error. */
export function print(text: string): void {
  try {
    writeOutput(1, text);
  } catch (error) {
    if ((error as { code?: string }).code !== 'EPIPE') throw error;
    exit(0);
  }
}

/** Writes to standard output what nobody needs to read: a log whose reader has gone, or whose disk is full, stops nothing. */
export function printIfPossible(text: string): void {
  try {
    writeOutput(1, text);
  } catch {
    // There is nowhere to say so.
  }
}

/** Writes to standard error. */
export function printError(text: string): void {
  writeOutput(2, text);
}

/**
 * Asks for a line of standard input, behind a text on standard error where nothing is to stand in the output; `undefined` at
 * its end. Where nobody types, the answer is written behind the question, as a terminal would show it.
 */
export function ask(text: string, write: (text: string) => void): string | undefined {
  write(text);
  const line = readLine();
  if (line === null || !isTerminal(0)) write(`${line ?? ''}\n`);
  return line ?? undefined;
}

/** All of standard input. */
export function readInput(): string {
  return decodeUtf8(readAll());
}

export function endProcess(status: number): never {
  return exit(status);
}
