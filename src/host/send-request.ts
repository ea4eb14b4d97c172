import { Socket, decodeUtf8, encodeUtf8, setTimer } from 'oneip:runtime';
import type { DeployedService } from '../deployment/deployment.ts';
import { type Check, firstTcpPort, isTranslated, serverAddress } from '../config/model.ts';
import type { Address } from '../net/address.ts';
import type { ProbeResult } from '../watchdog/prober.ts';
import { errnoReason, reasonOf } from './probe/attempt.ts';
import { HostProber } from './probe/prober.ts';

/** Milliseconds that an answer may take. */
const PATIENCE = 3000;
/** Ports behind which a web server is taken for granted. */
const HTTP_PORTS = [80, 8000, 8008, 8080];

/** A request to a ghost, and what became of it. */
export interface Request {
  readonly ghost: string;
  readonly port: number;
  /** Where it was meant for one of them. */
  readonly server?: string;
  readonly passed: boolean;
  /** `status 200`, `connected`, `timed out`. */
  readonly reason: string;
}

/**
 * Sends requests to a service as it runs. What is translated is asked as any client asks; of what is routed each server, the
 * way that packets of clients go, since on its own address the router would be no client like others.
 */
export async function sendRequests(
  { service, device, servers, ghosts }: DeployedService,
  markBase: number,
): Promise<Request[]> {
  const port = firstTcpPort(service);
  if (port === undefined) return [];
  const isHttp = HTTP_PORTS.includes(port);
  if (isTranslated(service)) {
    return Promise.all(
      ghosts.map(async ({ address }) => ({ ghost: address.text, port, ...(await askAsClient(address, port, isHttp)) })),
    );
  }
  const check: Check = isHttp ? { type: 'http', path: '/', status: [{ first: 100, last: 599 }] } : { type: 'tcp' };
  const prober = new HostProber();
  try {
    return await Promise.all(
      ghosts.flatMap(({ address: ghost }) =>
        servers.flatMap((server) => {
          const address = serverAddress(server, ghost.family);
          if (!address) return [];
          const mark = (markBase + server.number) >>> 0;
          const target = { service: service.name, server: server.name, ghost, address, device, mark, port };
          return new Promise<ProbeResult>((resolve) => prober.start(check, target, PATIENCE, resolve)).then(
            ({ passed, reason }) => ({ ghost: ghost.text, port, server: server.name, passed, reason }),
          );
        }),
      ),
    );
  } finally {
    prober.close();
  }
}

/** Connects as a program on this router does; of a web server asks for a page, and waits for the first line of the answer. */
function askAsClient(ghost: Address, port: number, isHttp: boolean): Promise<Pick<Request, 'passed' | 'reason'>> {
  return new Promise((resolve) => {
    const socket = new Socket(ghost.family === 4 ? 'inet' : 'inet6', 'stream');
    const end = (passed: boolean, reason: string): void => {
      timer.cancel();
      socket.close();
      resolve({ passed, reason });
    };
    const guarded = (step: () => void) => () => {
      try {
        step();
      } catch (error) {
        end(false, reasonOf(error));
      }
    };
    const timer = setTimer(() => end(false, 'timed out'), PATIENCE);
    guarded(() => socket.connect({ address: ghost.text, port }))();
    socket.onWritable(
      guarded(() => {
        socket.onWritable(null);
        const errno = socket.getOption('SO_ERROR');
        if (errno !== 0) return end(false, errnoReason(errno));
        if (!isHttp) return end(true, 'connected');
        const authority = ghost.family === 6 ? `[${ghost.text}]` : ghost.text;
        socket.send(
          encodeUtf8(`GET / HTTP/1.1\r\nHost: ${authority}\r\nUser-Agent: oneip\r\nConnection: close\r\n\r\n`),
        );
      }),
    );
    socket.onReadable(
      guarded(() => {
        const received = socket.receive(4096);
        if (!received) return;
        const [, status] = /^HTTP\/1\.[01] (\d{3})/.exec(decodeUtf8(received.data)) ?? [];
        if (status === undefined) end(false, received.data.length === 0 ? 'closed without an answer' : 'no web page');
        else end(true, `status ${status}`);
      }),
    );
  });
}
