import type { Configuration } from '../config/validate.ts';
import { loadConfiguration } from '../config/validate.ts';
import type { Service } from '../config/model.ts';
import type { SlotTables } from '../deployment/deployment.ts';
import { slotTables } from '../deployment/slot-tables.ts';
import { rosters } from './roster.ts';
import type { Snapshot } from './snapshot.ts';

/** What a snapshot says was in force. */
export interface Recollection {
  /** With the servers that the services had. */
  readonly configuration: Configuration;
  /** Slot tables of its services. */
  readonly tablesOf: (service: Service) => SlotTables;
}

/** Computes again what was in force when the snapshot was taken. */
export function recall({ configuration: text, orders, standings }: Snapshot): Recollection {
  const configuration = loadConfiguration(text, 'in force');
  const leaving = new Map(standings.map((entry) => [entry.service, entry.leaving]));
  const present = rosters(configuration.model, orders, leaving);
  const down = new Map(standings.map((entry) => [entry.service, new Set(entry.down)]));
  const model = { ...configuration.model, services: present.map(({ service }) => service) };
  const tablesOf = (service: Service): SlotTables =>
    slotTables(service, {
      down: down.get(service.name) ?? new Set(),
      leaving: new Set(leaving.get(service.name)?.map(({ name }) => name)),
    });
  return { configuration: { ...configuration, model }, tablesOf };
}
