import type { DaemonStatus } from '../service/control.ts';

/** Packets per second, by service and server. */
export type Rates = ReadonlyMap<string, ReadonlyMap<string, number>>;

/**
 * What passed between two looks, so many seconds apart. A server that is new, or whose counter has begun anew, has no rate
 * yet.
 */
export function packetRates(before: DaemonStatus, after: DaemonStatus, seconds: number): Rates {
  if (seconds <= 0) return new Map();
  return new Map(
    after.services.map(({ service, servers }) => {
      const earlier = before.services.find((entry) => entry.service === service)?.servers ?? [];
      const rates = servers.flatMap(({ server, packets }) => {
        const was = earlier.find((entry) => entry.server === server)?.packets;
        return was === undefined || packets === undefined || packets < was
          ? []
          : [[server, Number(packets - was) / seconds] as const];
      });
      return [service, new Map(rates)] as const;
    }),
  );
}
