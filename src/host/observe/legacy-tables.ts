import { decodeUtf8, readFile } from 'oneip:runtime';

/**
 * Tables of the old iptables (`ip filter`, `ip6 nat`) that somebody has used in this network namespace. What rules they have
 * nft does not tell.
 */
export function readLegacyTables(): string[] {
  return ['ip', 'ip6'].flatMap((family) =>
    readNames(`/proc/net/${family}_tables_names`).map((table) => `${family} ${table}`),
  );
}

/** None where the kernel has no such tables. */
function readNames(path: string): string[] {
  try {
    return decodeUtf8(readFile(path))
      .split('\n')
      .filter((name) => name !== '');
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return [];
    throw error;
  }
}
