import type { Namespace } from '../lab/namespace.ts';
import { url } from '../lab/http.ts';

/** Requests that one curl process makes, one after the other: starting it costs more than a request. */
const batch = 30;

/**
 * One HTTP request by real curl from each client's address to its ghost address, on a connection of its own. Resolves with
 * the name of the server that has answered each, `undefined` where none did within five seconds.
 */
export async function requestAll(
  namespace: Namespace,
  clients: readonly { readonly address: string; readonly ghost: string }[],
): Promise<(string | undefined)[]> {
  const batches = Array.from({ length: Math.ceil(clients.length / batch) }, (_, index) =>
    clients.slice(index * batch, (index + 1) * batch),
  );
  const servers: (string | undefined)[] = [];
  for (const some of batches) {
    const outcome = await namespace.attempt(['curl', '--config', '-'], some.map(requestConfig).join('next\n'));
    // Output lines name their client, since curl writes none for a transfer that it could not begin.
    const answers = new Map(
      outcome.stdout.split('\n').map((line) => {
        const [address = '', status, server] = line.split(' ');
        return [address, status === '200' ? server : undefined] as const;
      }),
    );
    servers.push(...some.map(({ address }) => answers.get(address)));
  }
  return servers;
}

function requestConfig({ address, ghost }: { readonly address: string; readonly ghost: string }): string {
  return [
    'silent',
    'globoff',
    'max-time = 5',
    'no-keepalive',
    `interface = "${address}"`,
    'header = "Connection: close"',
    'output = "/dev/null"',
    `write-out = "${address} %{http_code} %header{x-server}\\n"`,
    `url = "${url(ghost)}"`,
    '',
  ].join('\n');
}
