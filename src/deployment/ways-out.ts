import { areSameEgresses, isSameEgress } from '../egress/egress.ts';
import type { Egresses } from '../egress/egress.ts';
import type { Deployment } from './deployment.ts';

/** The deployment with the ways out as they are now; itself where they are the same, or none is wanted. */
export function leavingBy(deployment: Deployment, egresses: Egresses): Deployment {
  if (!deployment.egresses || areSameEgresses(deployment.egresses, egresses)) return deployment;
  return { ...deployment, egresses };
}

/** The deployment with those of its ways out that are right now, and none in place of the others; itself where all are. */
export function stillLeavingBy(deployment: Deployment, now: Egresses): Deployment {
  const known = [...(deployment.egresses ?? [])];
  const right = known.filter(([key, egress]) => isSameEgress(egress, now.get(key)));
  return right.length === known.length ? deployment : { ...deployment, egresses: new Map(right) };
}
