import { decodeUtf8, fileStatus, makeDirectory, readFile, replaceFile } from 'oneip:runtime';

/** A configuration larger than this is none. */
const CONFIGURATION_LIMIT = 1024 * 1024;

/** Reads a text file; the error is a sentence that names it. */
export function readText(path: string): string {
  try {
    return decodeUtf8(readFile(path, CONFIGURATION_LIMIT));
  } catch (error) {
    throw new Error(`cannot read ${path}: ${reasonOf(error)}`);
  }
}

/** Reads a text file that may be missing. */
export function readTextIfThere(path: string): string | undefined {
  return fileStatus(path) === null ? undefined : readText(path);
}

export function directoryExists(path: string): boolean {
  return fileStatus(`${path}/.`)?.type === 'directory';
}

/** Replaces a text file in one step, readable by its owner only. */
export function writeText(path: string, text: string): void {
  try {
    replaceFile(path, text, 0o600);
  } catch (error) {
    throw new Error(`cannot write ${path}: ${reasonOf(error)}`);
  }
}

/** Makes a directory and those above it. */
export function ensureDirectory(path: string): void {
  try {
    makeDirectories(path);
  } catch (error) {
    throw new Error(`cannot make the directory ${path}: ${reasonOf(error)}`);
  }
}

function makeDirectories(path: string): void {
  const parts = path.split('/').filter((part) => part !== '');
  for (let depth = 1; depth <= parts.length; depth++) {
    const ancestor = (path.startsWith('/') ? '/' : '') + parts.slice(0, depth).join('/');
    if (fileStatus(ancestor) === null) makeDirectory(ancestor, 0o755);
  }
}

/** The system's words alone: our own sentence has named the file. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.slice(text.lastIndexOf(': ') + 1).trim();
}
