import { checkEnvironment } from '../config/check-environment.ts';
import type { Problem } from '../config/problem.ts';
import type { Configuration } from '../config/validate.ts';
import type { Service } from '../config/model.ts';
import type { Transition } from '../transition/transition.ts';
import { deploy, numberServers } from './deployment.ts';
import type { Deployment, Observation, SlotTables } from './deployment.ts';

/** A configuration put on a router, before anything is done about it. */
export interface Activation {
  readonly deployment: Deployment;
  readonly numbers: ReadonlyMap<string, number>;
  /** What the router has against it. */
  readonly problems: readonly Problem[];
}

/** Checks a configuration against the router, leaves out what must not run on it, and resolves the rest. */
export function activate(
  { model, positions }: Configuration,
  observation: Observation,
  numbersBefore: ReadonlyMap<string, number>,
  tablesOf: (service: Service) => SlotTables,
  transitionOf?: (service: Service) => Transition | undefined,
): Activation {
  const { environment } = observation;
  const { problems, refused } = checkEnvironment(model, environment, positions);
  const services = model.services.filter(({ name }) => !refused.has(name));
  const numbers = numberServers(model, environment, numbersBefore);
  return {
    deployment: deploy({ ...model, services }, observation, numbers, tablesOf, transitionOf),
    numbers,
    problems,
  };
}
