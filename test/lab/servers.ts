import { linkSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { tool } from './paths.ts';
import type { LineProcess } from './process.ts';
import type { Server, Topology } from './topology.ts';

/** Bytes of the file that servers offer as `/download`, and that uploads are made of: 2 MB. */
export const transferSize = 2_000_000;

/** Text of `transferSize` bytes whose every line differs, so that bytes out of place are noticed. */
export const transferText = Array.from(
  { length: transferSize / 10 },
  (_, index) => `${String(index).padStart(9, '0')}\n`,
).join('');

/** TCP and UDP ports on which every server answers lines and datagrams with its name; see `echo-server.c`. */
export const echoPort = 7000;
export const echoRange = { first: 7100, last: 7109 } as const;
export const httpPort = 80;

/** The programs that run on one server. */
export interface ServerPrograms {
  readonly server: Server;
  readonly echo: LineProcess;
  readonly nginx: LineProcess;
  /** Where nginx keeps what has been uploaded to `/upload/NAME`, as `upload/NAME`. */
  readonly root: string;
}

/** Starts every server's programs; resolves when all of them listen. */
export function startServers(topology: Topology): Promise<ServerPrograms[]> {
  mkdirSync(topology.folder, { recursive: true });
  writeFileSync(join(topology.folder, 'download'), transferText);
  return Promise.all(topology.servers.map((server) => startServer(topology, server)));
}

function startServer(topology: Topology, server: Server): Promise<ServerPrograms> {
  const folder = join(topology.folder, server.name);
  const root = join(folder, 'root');
  mkdirSync(join(root, 'upload'), { recursive: true });
  linkSync(join(topology.folder, 'download'), join(root, 'download'));
  writeFileSync(join(folder, 'nginx.conf'), nginxConfig(server.name, folder));
  return launch(server, root);
}

/** Kills a server's programs and waits for their end. Its kernel closes their connections. */
export async function killServer({ echo, nginx }: ServerPrograms): Promise<void> {
  await Promise.all([echo.stop('SIGKILL'), nginx.stop('SIGKILL')]);
}

/** Starts a server's programs again, once they have ended. */
export function restartServer({ server, root }: ServerPrograms): Promise<ServerPrograms> {
  return launch(server, root);
}

async function launch(server: Server, root: string): Promise<ServerPrograms> {
  const folder = dirname(root);
  const { namespace } = server;
  const echo = namespace.start([
    tool('echo-server'),
    server.name,
    String(echoPort),
    `${echoRange.first}-${echoRange.last}`,
  ]);
  const nginx = namespace.start(['nginx', '-e', 'stderr', '-p', folder, '-c', join(folder, 'nginx.conf')]);
  await Promise.all([
    echo.waitFor((line) => line === 'ready' || undefined),
    // nginx has opened its ports when it says, at this level of logging, which event method it uses.
    nginx.waitFor((line) => line.includes('using the "epoll"') || undefined),
  ]);
  return { server, echo, nginx, root };
}

function nginxConfig(name: string, folder: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `
daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr notice;
events { worker_connections 4096; }
http {
  access_log off;
  default_type text/plain;
  client_max_body_size 64m;
${temporary.map((kind) => `  ${kind}_temp_path ${folder}/${kind};\n`).join('')}
  server {
    listen ${httpPort} reuseport backlog=4096;
    listen [::]:${httpPort} reuseport backlog=4096;
    root ${folder}/root;
    add_header X-Server ${name} always;
    add_header X-Client $remote_addr always;
    location = / { return 200 "${name}\\n"; }
    location /upload/ { dav_methods PUT; }
  }
}
`;
}
