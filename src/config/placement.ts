import type { Findings } from './findings.ts';
import type { Placement } from './model.ts';
import type { ServiceSection } from './service-section.ts';

/** Options that say what becomes of connections of which the router has no record: here it has one of each. */
const ofUnrecorded = ['on_change', 'on_failure', 'drain_timeout', 'learn_time'] as const;

/** Options of the table in which they are. */
const ofTable = ['flow_limit', 'flow_timeout'] as const;

/** How the service's connections are placed; nothing where it is the hash that decides. */
export function readPlacement(values: ServiceSection['values']): { readonly placement?: Placement } {
  const scheduler = values.scheduler.value;
  if (values.dispatch.value !== 'route' || scheduler === 'hash') return {};
  return { placement: { scheduler, limit: values.flow_limit.value, timeout: values.flow_timeout.value } };
}

/** Says which options mean nothing to a service whose connections are placed one by one, or to one of which they are not. */
export function checkPlacement({ values, given, label }: ServiceSection, findings: Findings): void {
  const { dispatch, scheduler } = values;
  const isPlaced = readPlacement(values).placement !== undefined;
  for (const option of isPlaced ? ofUnrecorded : ofTable) {
    const line = given.get(option);
    if (line === undefined) continue;
    findings.warning(
      { line, section: label, option },
      isPlaced
        ? `does not go with scheduler '${scheduler.value}' and is ignored, since every connection is remembered`
        : `does not go with ${dispatch.value === 'route' ? `scheduler '${scheduler.value}'` : `dispatch '${dispatch.value}'`} and is ignored`,
    );
  }
}
