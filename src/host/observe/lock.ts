import { decodeUtf8, fileStatus, readDirectory, readFile, readLink } from 'oneip:runtime';

/** Symbolic links in a path are followed no further: something is wrong with them then. */
const MOST_LINKS = 40;

/** True where some process holds a lock (flock(2)) of the file. It is not tried, since whoever tries has it for a moment. */
export function isLocked(path: string): boolean {
  const real = resolveLinks(path.startsWith('/') ? path : `${readLink('/proc/self/cwd')}/${path}`);
  if (real === undefined) return false;
  const holders = [...decodeUtf8(readFile('/proc/locks')).matchAll(/ FLOCK .*? (\d+) /g)];
  return holders.some(([, pid = '']) => descriptorsOf(pid).includes(real));
}

/** Paths of the files that a process has open; none where it has ended, or is not ours to look at. */
function descriptorsOf(pid: string): string[] {
  try {
    const folder = `/proc/${pid}/fd`;
    return readDirectory(folder).flatMap((name) => {
      try {
        return [readLink(`${folder}/${name}`)];
      } catch {
        return [];
      }
    });
  } catch {
    return [];
  }
}

/** The path without symbolic links, as the kernel names it; `undefined` where nothing is there. */
function resolveLinks(path: string): string | undefined {
  let parts = path.split('/').filter((part) => part !== '');
  let links = 0;
  for (let depth = 1; depth <= parts.length; depth++) {
    const place = `/${parts.slice(0, depth).join('/')}`;
    const status = fileStatus(place);
    if (!status) return undefined;
    if (status.type !== 'symlink') continue;
    if (++links > MOST_LINKS) return undefined;
    const target = readLink(place).split('/');
    const before = target[0] === '' ? [] : parts.slice(0, depth - 1);
    parts = normalize([...before, ...target, ...parts.slice(depth)]);
    depth = 0;
  }
  return `/${parts.join('/')}`;
}

function normalize(parts: readonly string[]): string[] {
  const path: string[] = [];
  for (const part of parts) {
    if (part === '..') path.pop();
    else if (part !== '' && part !== '.') path.push(part);
  }
  return path;
}
