import { Socket, setTimer } from 'oneip:runtime';
import type { LocalAnswer } from '../../doctor/observation.ts';
import type { Address } from '../../net/address.ts';

/** Milliseconds that a connection within this machine may take. */
const PATIENCE = 500;
const ICMP = 1;
/** ECONNREFUSED, as on most architectures and on MIPS. */
const REFUSED: readonly number[] = [111, 146];

/** Connects to a port of one of our own addresses, and closes the connection at once. */
export function connectHere(address: Address, port: number): Promise<LocalAnswer> {
  return new Promise((resolve) => {
    const socket = new Socket(address.family === 4 ? 'inet' : 'inet6', 'stream');
    const timer = setTimer(() => end('silent'), PATIENCE);
    const end = (answer: LocalAnswer) => {
      timer.cancel();
      socket.close();
      resolve(answer);
    };
    try {
      socket.connect({ address: address.text, port });
      socket.onWritable(() => {
        const errno = socket.getOption('SO_ERROR');
        end(errno === 0 ? 'connected' : REFUSED.includes(errno) ? 'refused' : 'silent');
      });
    } catch (error) {
      end((error as { code?: string }).code === 'ECONNREFUSED' ? 'refused' : 'silent');
    }
  });
}

/** False where this user may not send what the network is asked with. */
export function mayAsk(): boolean {
  try {
    new Socket('inet', 'raw', ICMP).close();
    return true;
  } catch (error) {
    if ((error as { code?: string }).code !== 'EPERM') throw error;
    return false;
  }
}
