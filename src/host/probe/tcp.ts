import { Socket } from 'oneip:runtime';
import type { ProbeTarget } from '../../watchdog/prober.ts';
import type { Attempt } from './attempt.ts';
import { errnoReason, reasonOf } from './attempt.ts';
import type { OwnAddresses } from './own-address.ts';

/** struct linger { on, 0 s }: close(2) resets the connection, so that neither side keeps anything of it. */
const RESET_ON_CLOSE = new Uint8Array(new Int32Array([1, 0]).buffer);

/**
 * Connects to a port of the ghost by way of the server. `connected` gets the socket, which the attempt closes at its end. Bound
 * to the servers' device, so that nobody elsewhere can answer, be it the router itself.
 */
export function connectTo(
  target: ProbeTarget,
  port: number,
  own: OwnAddresses,
  attempt: Attempt,
  connected: (socket: Socket) => void,
): void {
  const { ghost, device, mark } = target;
  const socket = new Socket(ghost.family === 4 ? 'inet' : 'inet6', 'stream');
  attempt.release = () => socket.close();
  socket.setOption('SO_MARK', mark);
  socket.setOption('SO_BINDTODEVICE', device.name);
  socket.setOption('SO_LINGER', RESET_ON_CLOSE);
  // The kernel would speak to its own address from that address, which the server takes for a forgery of itself.
  const source = own.isOwn(ghost) ? own.towards(target) : undefined;
  if (source) socket.bind({ address: source.text, port: 0 });
  socket.connect({ address: ghost.text, port });
  socket.onWritable(() => {
    try {
      socket.onWritable(null);
      // Also what only speaks against it, as an ICMP error does: the kernel itself would go on trying.
      const errno = socket.getOption('SO_ERROR');
      if (errno === 0) connected(socket);
      else attempt.fail(errnoReason(errno));
    } catch (error) {
      attempt.fail(reasonOf(error));
    }
  });
}

/** Passes once the server has accepted a connection. */
export function probeTcp(target: ProbeTarget, port: number, own: OwnAddresses, attempt: Attempt): void {
  connectTo(target, port, own, attempt, () => attempt.pass('connected'));
}
