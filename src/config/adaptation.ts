import type { Findings } from './findings.ts';
import type { ServiceSection } from './service-section.ts';

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
    findings.warning(place, `does not go with scheduler '${scheduler.value}' and is ignored`);
    return;
  }
  if (dispatch.value === 'route' && on_change.value === 'reset') {
    findings.warning(place, 'does reset the connections of each slot that it moves', "on_change 'keep'");
  }
  if (slots.value < FEWEST_SLOTS) {
    findings.warning(place, `has next to nothing to move with ${slots.value} slots`, "slots '4096'");
  }
}
