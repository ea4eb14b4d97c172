import { decodeUtf8, readFile, writeFile } from 'oneip:runtime';

const ROOT = '/proc/sys';

/** A sysctl's value without the line's end; `undefined` where there is none of that name, as when its device has gone. */
export function readSysctl(key: string): string | undefined {
  try {
    return decodeUtf8(readFile(path(key))).trim();
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Throws the system's error: ENOENT without such a sysctl, EINVAL for a value it does not take. */
export function writeSysctl(key: string, value: string): void {
  writeFile(path(key), `${value}\n`);
}

/** Keys are paths (`net/ipv4/conf/eth0.2/rp_filter`): device names may hold dots. */
function path(key: string): string {
  if (key.split('/').some((part) => part === '' || part === '.' || part === '..')) {
    throw new RangeError(`'${key}' is no sysctl`);
  }
  return `${ROOT}/${key}`;
}
