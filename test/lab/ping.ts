import type { Namespace } from './namespace.ts';

/** True where an echo request of `size` data bytes from one of the namespace's addresses is answered within two seconds. */
export async function ping(namespace: Namespace, source: string, destination: string, size = 56): Promise<boolean> {
  const { status } = await namespace.attempt([
    ...['ping', '-n', '-q', '-c', '1', '-W', '2', '-s', String(size), '-I', source, destination],
  ]);
  return status === 0;
}
