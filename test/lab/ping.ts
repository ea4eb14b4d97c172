import type { Namespace } from './namespace.ts';

/** True where an echo request from one of the namespace's addresses is answered. `size`: its data bytes; `wait`: seconds. */
export async function ping(
  namespace: Namespace,
  source: string,
  destination: string,
  { size = 56, wait = 2 }: { readonly size?: number; readonly wait?: number } = {},
): Promise<boolean> {
  const { status } = await namespace.attempt([
    ...['ping', '-n', '-q', '-c', '1', '-W', String(wait), '-s', String(size), '-I', source, destination],
  ]);
  return status === 0;
}
