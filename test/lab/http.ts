import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Namespace } from './namespace.ts';
import { transferText, type ServerPrograms } from './servers.ts';
import type { Topology } from './topology.ts';

/** How a request by curl ended. */
export interface HttpResult {
  /** Status of the answer; 0 where there was none. */
  readonly status: number;
  /** Name of the server, from its header; empty where there was no answer. */
  readonly server: string;
  /** Address of the client, as the server saw it. */
  readonly client: string;
  readonly body: string;
  /** curl's exit status (see curl(1)); 0 = all went well. */
  readonly curl: number;
}

/** Seconds that a request may take. */
const patience = 10;

/** An absolute URL of a service on an address. */
export function url(address: string, path = '/', port = 80): string {
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}${path}`;
}

/** Requests a URL from one of the namespace's addresses. Further arguments are curl's. */
export async function httpGet(
  namespace: Namespace,
  source: string,
  target: string,
  ...more: string[]
): Promise<HttpResult> {
  const outcome = await namespace.attempt([
    ...['curl', '--silent', '--globoff', '--max-time', String(patience), '--interface', source],
    ...['--write-out', '%{stderr}%{http_code} %header{x-server} %header{x-client}', ...more, target],
  ]);
  const [status = '0', server = '', client = ''] = outcome.stderr.split(' ');
  return { status: Number(status), server, client, body: outcome.stdout, curl: outcome.status };
}

/** Downloads 2 MB; resolves with the server's name, rejects unless every byte has arrived. */
export async function download(namespace: Namespace, source: string, address: string): Promise<string> {
  const result = await httpGet(namespace, source, url(address, '/download'));
  if (result.curl !== 0 || result.status !== 200 || digest(result.body) !== digest(transferText)) {
    throw new Error(
      `download from ${address} by ${source}: curl ${result.curl}, HTTP ${result.status}, ${result.body.length} bytes`,
    );
  }
  return result.server;
}

let uploads = 0;

/** Uploads 2 MB; resolves with the server's name, rejects unless that server has every byte. */
export async function upload(
  topology: Pick<Topology, 'folder'>,
  programs: readonly ServerPrograms[],
  namespace: Namespace,
  source: string,
  address: string,
): Promise<string> {
  uploads += 1;
  const name = `upload/${uploads}`;
  const file = join(topology.folder, 'upload.txt');
  writeFileSync(file, transferText);
  const result = await httpGet(namespace, source, url(address, `/${name}`), '--upload-file', file);
  const owner = programs.find(({ server }) => server.name === result.server);
  if (result.curl !== 0 || result.status !== 201 || !owner) {
    throw new Error(`upload to ${address} by ${source}: curl ${result.curl}, HTTP ${result.status}`);
  }
  if (digest(readFileSync(join(owner.root, name), 'utf8')) !== digest(transferText)) {
    throw new Error(`upload to ${address} by ${source}: ${owner.server.name} has other bytes than were sent`);
  }
  return result.server;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
