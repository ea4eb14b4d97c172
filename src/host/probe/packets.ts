import type { Received, Socket } from 'oneip:runtime';

/** Longest packet that matters: an error with the packet inside it. */
const RECEIVE_SIZE = 256;
/** Answers that may wait while the event loop is busy, in bytes of the kernel's buffers. */
const RECEIVE_BUFFER = 1 << 20;

/**
 * Takes packets, cut off behind 256 bytes, whenever some wait, until none does or `take` says that no more is expected: where
 * probes come one by one that spares every other call. `broken` is called where the socket is of no more use, such as one on a
 * device that has gone.
 */
export function readPackets(socket: Socket, take: (received: Received) => boolean, broken: () => void): void {
  enlargeBuffer(socket);
  socket.onReadable(() => {
    for (;;) {
      let received: Received | null;
      try {
        received = socket.receive(RECEIVE_SIZE);
      } catch {
        return broken();
      }
      if (!received || !take(received)) return;
    }
  });
}

/** Only the host's root may go beyond `net.core.rmem_max`; in a container the default has to do. */
function enlargeBuffer(socket: Socket): void {
  try {
    socket.setOption('SO_RCVBUFFORCE', RECEIVE_BUFFER);
  } catch (error) {
    if ((error as { code?: string }).code !== 'EPERM') throw error;
  }
}
