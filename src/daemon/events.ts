import type { MemberChange } from '../membership/members.ts';
import type { ServiceEvent } from '../service/control.ts';

/** What is told of changes of the members: the new state, another weight, or that a server came or went. */
export function memberEvents(changes: readonly MemberChange[]): ServiceEvent[] {
  return changes.flatMap(({ service, server, from, to, reason, reweighted }) => {
    const about = { service, server, reason };
    if (to === undefined) return [{ action: 'removed', ...about }];
    if (reweighted) return [{ action: 'weight', ...about }];
    const state = { action: to, ...about };
    return from === undefined ? [{ action: 'added', ...about }, ...(to === 'up' ? [] : [state])] : [state];
  });
}
