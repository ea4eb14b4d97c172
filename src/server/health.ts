import type { ServiceHealth } from '../channel/message.ts';
import type { Listener } from '../config/environment.ts';
import type { Service } from '../config/model.ts';

/**
 * What a server can say of its own services without asking them: does a program wait for clients at each of the ghosts, on the
 * first of the service's ports and with each of its protocols? Nothing where a service names no port.
 */
export function healthOf(services: readonly Service[], listeners: readonly Listener[]): ServiceHealth[] {
  return services.flatMap(({ name, ghosts, protocols, ports }): ServiceHealth[] => {
    const [first] = ports;
    if (!first) return [];
    const missing = protocols.flatMap((protocol) =>
      ghosts.flatMap((ghost) => {
        const isHeard = listeners.some(
          ({ protocol: of, address, port }) =>
            of === protocol && port === first.first && (address === 'any' || address.text === ghost.text),
        );
        return isHeard ? [] : `nobody listens on ${protocol} port ${first.first} of ${ghost.text}`;
      }),
    );
    return [{ service: name, well: missing.length === 0, reason: missing[0] ?? 'a program listens' }];
  });
}
