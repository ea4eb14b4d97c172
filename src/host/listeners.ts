import { decodeUtf8, littleEndian, readFile } from 'oneip:runtime';
import type { Listener } from '../config/environment.ts';
import type { FamilyListener } from '../doctor/observation.ts';
import { parseListeners } from '../network/listeners.ts';

/** This machine's own sockets that wait for clients, each once; those of a family that the kernel lacks are none. */
export function readListeners(): Listener[] {
  const found = new Map<string, Listener>();
  for (const { protocol, address, port } of readFamilyListeners()) {
    found.set(`${protocol} ${address === 'any' ? address : address.text} ${port}`, { protocol, address, port });
  }
  return [...found.values()];
}

/** The same, those of each family by themselves. */
export function readFamilyListeners(): FamilyListener[] {
  return (['tcp', 'udp'] as const).flatMap((protocol) =>
    ([4, 6] as const).flatMap((family) =>
      parseListeners(readTable(`/proc/net/${protocol}${family === 6 ? '6' : ''}`), protocol, littleEndian).map(
        (listener) => ({ ...listener, family }),
      ),
    ),
  );
}

function readTable(path: string): string {
  try {
    return decodeUtf8(readFile(path));
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return '';
    throw error;
  }
}
