import type { DeployedService, Deployment } from '../deployment/deployment.ts';
import { fastPath, serverChains } from './fast-path.ts';
import { turnMaps } from './placed.ts';
import type { Ruleset } from './ruleset.ts';
import { slowPath } from './slow-path.ts';
import { slotMaps } from './slot-map.ts';
import { familiesOf, routedServices, translatedServices } from './traffic.ts';
import { flowSets, historyMaps, isShared, movingFamilies, recordedOf, refusalsOf } from './transition.ts';

/** The whole ruleset of a deployment: nothing at all where there is no service to run. */
export function buildRuleset(deployment: Deployment): Ruleset {
  if (!deployment.services.some((deployed) => familiesOf(deployed).length > 0)) return { tables: [] };
  return { tables: [slowPath(deployment), fastPath(deployment)] };
}

/**
 * True where the rulesets of two deployments that differ in their distribution alone differ in nothing but elements: where
 * slots lead, and which records are worthless.
 */
export function differsInElements(one: Deployment, other: Deployment): boolean {
  return one.services.every((deployed, index) => {
    const counterpart = other.services[index];
    return deployed === counterpart || (counterpart && isShapedLike(deployed, counterpart));
  });
}

/** The ruleset of such a deployment, made of the other's. */
export function withElements(ruleset: Ruleset, { services }: Deployment): Ruleset {
  const active = routedServices(services);
  const slots = active.flatMap(slotMaps);
  const translated = translatedServices(services).flatMap(slotMaps);
  const flows = new Map(active.flatMap(flowSets).map((set) => [set.name, set]));
  return {
    tables: ruleset.tables.map((table) =>
      table.family === 'netdev'
        ? {
            ...table,
            slotMaps: [...slots, ...active.flatMap(historyMaps), ...active.flatMap(turnMaps)],
            sets: table.sets.map((set) => flows.get(set.name) ?? set),
          }
        : { ...table, slotMaps: [...slots, ...translated] },
    ),
  };
}

/** The ruleset of a deployment that differs in nothing but the devices by which packets leave, made of the other's. */
export function withEgresses(ruleset: Ruleset, deployment: Deployment): Ruleset {
  const ends = new Map(serverChains(deployment).map((chain) => [chain.name, chain]));
  return {
    tables: ruleset.tables.map((table) =>
      table.family === 'netdev'
        ? { ...table, chains: table.chains.map((chain) => ends.get(chain.name) ?? chain) }
        : table,
    ),
  };
}

/** True where, of a service, they differ in nothing else. */
export function isShapedLike(one: DeployedService, other: DeployedService): boolean {
  return JSON.stringify(shapeOf(one)) === JSON.stringify(shapeOf(other));
}

/** All of a service's distribution on which names of objects and rules depend. */
function shapeOf(deployed: DeployedService): unknown {
  const { tables } = deployed;
  const families = movingFamilies(deployed);
  const isSame = [tables[4] === tables[6], Object.keys(tables)];
  return families.length === 0
    ? isSame
    : [isSame, families, isShared(deployed), recordedOf(deployed), refusalsOf(deployed)];
}
