import type { Deployment } from '../deployment/deployment.ts';
import { fastPath } from './fast-path.ts';
import type { Ruleset } from './ruleset.ts';
import { slowPath } from './slow-path.ts';
import { slotMaps } from './slot-map.ts';
import { familiesOf } from './traffic.ts';

/** The whole ruleset of a deployment: nothing at all where there is no service to run. */
export function buildRuleset(deployment: Deployment): Ruleset {
  if (!deployment.services.some((deployed) => familiesOf(deployed).length > 0)) return { tables: [] };
  return { tables: [slowPath(deployment), fastPath(deployment)] };
}

/** The ruleset of a deployment that differs from the ruleset's own in the slot tables alone. */
export function withSlotTables(ruleset: Ruleset, { services }: Deployment): Ruleset {
  const maps = services.filter((deployed) => familiesOf(deployed).length > 0).flatMap(slotMaps);
  return { tables: ruleset.tables.map((table) => ({ ...table, slotMaps: maps })) };
}
