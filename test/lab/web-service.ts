import { configuration } from './scenario.ts';
import type { Server, Topology } from './topology.ts';
import { uciSection, type UciOptions } from './uci.ts';

/** What a test wants of its service; everything else is as in the README's. */
export interface WebServiceOptions {
  /** Default: the topology's ghost addresses. */
  readonly ghosts?: readonly string[];
  /** Those that the configuration names at all; default: all servers of the topology. */
  readonly servers?: readonly Server[];
  /** Further options of the service, or others in place of the usual ones. */
  readonly service?: UciOptions;
  readonly globals?: UciOptions;
}

/** A configuration with one service, `web`: TCP ports 80 and 7000 of the ghosts for clients from outside, and its servers. */
export function webService(topology: Topology, options: WebServiceOptions = {}): string {
  const { servers = topology.servers, ghosts = topology.ghosts, service, globals } = options;
  const web = { ghost: ghosts, options: { proto: 'tcp', port: [80, 7000], source: ['wan'], ...service } };
  return [
    globals ? uciSection('globals', 'globals', globals) : '',
    configuration({ ...topology, servers }, { web }),
  ].join('');
}
