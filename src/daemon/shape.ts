import type { Configuration } from '../config/validate.ts';
import type { Deployment, Observation } from '../deployment/deployment.ts';
import type { Fleet } from '../membership/fleet.ts';
import type { Roster } from '../membership/roster.ts';

/** What the deployment in force was made of, apart from who has which slots. */
export interface Shape {
  readonly configuration: Configuration;
  readonly rosters: readonly Roster[];
  readonly observation: Observation;
  readonly deployment: Deployment;
}

/** Whether it would be made of the same again. */
export function isShapedLike(shape: Shape, configuration: Configuration, fleet: Fleet): boolean {
  const inForce = [...fleet.values()].map(({ roster }) => roster);
  return (
    shape.configuration === configuration &&
    shape.rosters.length === inForce.length &&
    shape.rosters.every((roster, index) => roster === inForce[index])
  );
}
