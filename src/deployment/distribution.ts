import type { Service } from '../config/model.ts';
import type { Transition } from '../transition/transition.ts';
import type { DeployedService, Deployment, SlotTables } from './deployment.ts';

/** The deployment as it would be if no change were under way. */
export function withoutTransitions(deployment: Deployment): Deployment {
  return { ...deployment, services: deployment.services.map(withoutTransition) };
}

function withoutTransition(deployed: DeployedService): DeployedService {
  const steady: { -readonly [Key in keyof DeployedService]: DeployedService[Key] } = { ...deployed };
  delete steady.transition;
  return steady;
}

/** The same deployment with other slots, and other changes under way; services that have neither are the same objects. */
export function redistribute(
  deployment: Deployment,
  tablesOf: (service: Service) => SlotTables,
  transitionOf: (service: Service) => Transition | undefined,
): Deployment {
  const services = deployment.services.map((deployed): DeployedService => {
    const [tables, transition] = [tablesOf(deployed.service), transitionOf(deployed.service)];
    if (tables === deployed.tables && transition === deployed.transition) return deployed;
    return { ...withoutTransition(deployed), tables, ...(transition ? { transition } : {}) };
  });
  return { ...deployment, services };
}

/** True where, of two deployments that differ in nothing else, slots and changes under way are the same objects. */
export function isSameDistribution(one: Deployment, other: Deployment): boolean {
  return one.services.every(
    ({ tables, transition }, index) =>
      tables === other.services[index]?.tables && transition === other.services[index].transition,
  );
}
