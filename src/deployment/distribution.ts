import type { Service } from '../config/model.ts';
import type { Transition } from '../transition/transition.ts';
import type { DeployedService, Deployment, SlotTables } from './deployment.ts';

/** The deployment as it would be if no change were under way. */
export function withoutTransitions(deployment: Deployment): Deployment {
  const services = deployment.services.map((deployed) => {
    const steady: { -readonly [Key in keyof DeployedService]: DeployedService[Key] } = { ...deployed };
    delete steady.transition;
    return steady;
  });
  return { ...deployment, services };
}

/** The same deployment with other slots, and other changes under way. */
export function redistribute(
  deployment: Deployment,
  tablesOf: (service: Service) => SlotTables,
  transitionOf: (service: Service) => Transition | undefined,
): Deployment {
  const steady = withoutTransitions(deployment);
  const services = steady.services.map((deployed): DeployedService => {
    const transition = transitionOf(deployed.service);
    return { ...deployed, tables: tablesOf(deployed.service), ...(transition ? { transition } : {}) };
  });
  return { ...steady, services };
}

/** True where, of two deployments that differ in nothing else, slots and changes under way are the same objects. */
export function isSameDistribution(one: Deployment, other: Deployment): boolean {
  return one.services.every(
    ({ tables, transition }, index) =>
      tables === other.services[index]?.tables && transition === other.services[index].transition,
  );
}
