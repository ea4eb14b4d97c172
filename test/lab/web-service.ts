import type { Server, Topology } from './topology.ts';
import { uciSection, type UciOptions } from './uci.ts';

/** What a test wants of its service; everything else is as in the README's. */
export interface WebServiceOptions {
  /** Default: the topology's ghost addresses. */
  readonly ghosts?: readonly string[];
  /** Default: all servers of the topology. */
  readonly servers?: readonly Server[];
  /** Further options of the service, or others in place of the usual ones. */
  readonly service?: UciOptions;
  readonly globals?: UciOptions;
}

/** A configuration with one service, `web`: TCP ports 80 and 7000 of the ghosts for clients from outside, and its servers. */
export function webService(topology: Topology, options: WebServiceOptions = {}): string {
  const servers = options.servers ?? topology.servers;
  const service = {
    ghost: options.ghosts ?? topology.ghosts,
    proto: 'tcp',
    port: [80, 7000],
    source: ['wan'],
    device: 'br-lan',
    ...options.service,
  };
  return [
    ...(options.globals ? [uciSection('globals', 'globals', options.globals)] : []),
    uciSection('service', 'web', service),
    ...servers.map(({ name, address }) =>
      uciSection('server', name, { service: ['web'], address: address[4], address6: address[6] }),
    ),
  ].join('');
}
