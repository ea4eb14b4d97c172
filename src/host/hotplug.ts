import type { ServiceEvent } from '../service/control.ts';

/** Stands in until scripts can be run: nothing is. */
export class Hotplug {
  constructor(_: { readonly log: (line: string) => void }) {
    return;
  }

  run(_: ServiceEvent): void {
    return;
  }
}
