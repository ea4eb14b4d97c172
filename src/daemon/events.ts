import type { MemberChange } from '../membership/members.ts';
import type { ServiceEvent } from '../service/control.ts';

/** What is told of changes of the members: the new state, another weight, or that a server came or went. */
export function memberEvents(changes: readonly MemberChange[]): ServiceEvent[] {
  return changes.flatMap(({ service, server, from, to, reason, weight }) => {
    const about = { service, server, reason };
    if (to === undefined) return [{ action: 'removed', ...about }];
    const state = from === to ? [] : [{ action: to, ...about }];
    if (from === undefined) return [{ action: 'added', ...about }, ...(to === 'up' ? [] : state)];
    return weight === undefined ? state : [...state, { action: 'weight', service, server, reason: `now ${weight}` }];
  });
}
