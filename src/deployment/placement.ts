import type { Service } from '../config/model.ts';
import { flowMap } from '../ruleset/placed.ts';
import { familiesOf } from '../ruleset/traffic.ts';
import { markOf } from '../ruleset/transition.ts';
import type { Deployment } from './deployment.ts';

/** Where the kernel remembers the flows of a service to one of its servers. */
export interface PlacedFlows {
  /** Names of the maps. */
  readonly maps: readonly string[];
  /** What they have for the server. */
  readonly mark: number;
}

/** Those of a service whose connections are placed one by one; `undefined` for any other, and for who is not deployed. */
export function flowsTo(
  deployment: Deployment | undefined,
  service: Service['name'],
  server: string,
): PlacedFlows | undefined {
  const deployed = deployment?.services.find((entry) => entry.service.name === service);
  if (!deployment || !deployed?.service.placement || !deployed.servers.some(({ name }) => name === server))
    return undefined;
  const maps = familiesOf(deployed).map((family) => flowMap(service, family));
  return { maps, mark: markOf(deployed, deployment, server) };
}
