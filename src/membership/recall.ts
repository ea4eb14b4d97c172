import type { Environment } from '../config/environment.ts';
import { followInterfaces } from '../config/ghost-interface.ts';
import type { Configuration } from '../config/validate.ts';
import type { Service } from '../config/model.ts';
import type { SlotTables } from '../deployment/deployment.ts';
import { slotTables } from '../deployment/slot-tables.ts';
import { rosters } from './roster.ts';
import type { Snapshot } from './snapshot.ts';

/** A configuration with the orders and the failures of a running daemon. */
export interface Recollection {
  /** With the servers that the services have. */
  readonly configuration: Configuration;
  /** Slot tables of its services. */
  readonly tablesOf: (service: Service) => SlotTables;
}

/**
 * What a configuration is under the orders and failures of a snapshot: the snapshot's own, or the one that is to follow it.
 * Servers that have left are not in it: what is kept for their old connections is no part of any plan. `environment`: the
 * router as it is, whose interfaces services may follow.
 */
export function recall(
  configuration: Configuration,
  { orders, standings }: Pick<Snapshot, 'orders' | 'standings'>,
  environment?: Environment,
): Recollection {
  const model = environment ? followInterfaces(configuration.model, environment) : configuration.model;
  const services = rosters(model, orders, new Map()).map(({ service }) => service);
  const known = new Map(standings.map((entry) => [entry.service, entry]));
  return {
    configuration: { ...configuration, model: { ...model, services } },
    tablesOf: (service) => {
      const { down = [], factors } = known.get(service.name) ?? {};
      const shaped = service.adapt && factors ? { factors } : {};
      return slotTables(service, { down: new Set(down), leaving: new Set(), ...shaped });
    },
  };
}
