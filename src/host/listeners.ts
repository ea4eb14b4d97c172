import { decodeUtf8, littleEndian, readFile } from 'oneip:runtime';
import type { Listener } from '../config/environment.ts';
import { parseListeners } from '../network/listeners.ts';

/** The router's own sockets that wait for clients, each once; those of a family that the kernel lacks are none. */
export function readListeners(): Listener[] {
  const found = new Map<string, Listener>();
  for (const protocol of ['tcp', 'udp'] as const) {
    for (const suffix of ['', '6']) {
      for (const listener of parseListeners(readTable(`/proc/net/${protocol}${suffix}`), protocol, littleEndian)) {
        const { address, port } = listener;
        found.set(`${protocol} ${address === 'any' ? address : address.text} ${port}`, listener);
      }
    }
  }
  return [...found.values()];
}

function readTable(path: string): string {
  try {
    return decodeUtf8(readFile(path));
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return '';
    throw error;
  }
}
