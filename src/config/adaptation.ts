import type { Findings } from './findings.ts';
import { type Model, isFlooded } from './model.ts';
import type { Positions } from './positions.ts';
import type { ServiceSection } from './service-section.ts';
import { sectionLabel } from './uci.ts';

/** With fewer slots, one of a hundred of them is too little for most steps. */
const FEWEST_SLOTS = 1024;

/** True where the load shapes the slots: it is they that decide about a connection. */
export function isAdapting({ adapt, scheduler }: ServiceSection['values']): boolean {
  return adapt.value && scheduler.value === 'hash';
}

/** Says where `adapt` does not do what is expected of it. */
export function checkAdaptation({ values, label }: ServiceSection, findings: Findings): void {
  const { adapt, scheduler, dispatch, on_change, slots } = values;
  if (!adapt.value) return;
  const place = { line: adapt.line, section: label, option: 'adapt' };
  if (scheduler.value !== 'hash') {
    findings.warning(
      place,
      `does not go with scheduler '${scheduler.value}' and is ignored, since it is not the slots that decide who gets a connection`,
      "scheduler 'hash'",
    );
    return;
  }
  if (dispatch.value === 'route' && on_change.value === 'reset') {
    findings.warning(
      place,
      'does reset the connections of each slot that it moves, every few minutes',
      "on_change 'keep'",
    );
  }
  if (slots.value < FEWEST_SLOTS) {
    findings.warning(
      place,
      `has next to nothing to move with ${slots.value} slots, of which no more than one in a hundred may move a minute`,
      "slots '4096'",
    );
  }
}

/** Says which services have no load to go by: nobody counts the packets that all servers get, and nobody reports. */
export function checkLoads({ services, globals, watchdogs }: Model, findings: Findings, positions: Positions): void {
  for (const { name } of services.filter((service) => service.adapt && isFlooded(service))) {
    const isWatched = watchdogs.some(
      ({ check, services: ofThese }) => check.type === 'script' && (ofThese.length === 0 || ofThese.includes(name)),
    );
    if (globals.key !== undefined || isWatched) continue;
    findings.warning(
      positions.place(sectionLabel({ type: 'service', name }), 'adapt'),
      'has nothing to go by, since servers tell nothing without a key, and nobody counts what goes to all of them',
      "option 'key' in the globals",
    );
  }
}
