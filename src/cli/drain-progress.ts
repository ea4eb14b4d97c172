import type { DaemonStatus, ServerReference } from '../service/control.ts';
import { formatSeconds } from './duration.ts';
import { membersOf } from './membership.ts';
import { formatQuantity } from './quantity.ts';

export type DrainProgress =
  /** Nothing of it is left; `line` says so. */
  | { readonly outcome: 'done'; readonly line: string }
  | { readonly outcome: 'going'; readonly line: string }
  /** It no longer drains, and did not end: somebody wants it up again, or it has failed. */
  | { readonly outcome: 'broken-off'; readonly line: string };

/** How far a server is that was told to drain, or to be removed (which it is once it is gone). */
export function drainProgress(status: DaemonStatus, reference: ServerReference, removal: boolean): DrainProgress {
  const { server } = reference;
  const members = membersOf(status, reference);
  if (typeof members === 'string') {
    return removal
      ? { outcome: 'done', line: `${server}: removed` }
      : { outcome: 'broken-off', line: `${server}: removed while it drained` };
  }
  const back = members.find(({ status: { state, provenance } }) => state === 'up' && provenance !== 'removing');
  if (back) return { outcome: 'broken-off', line: `${server}: up again in ${back.service}: ${back.status.reason}` };
  const failed = members.find(({ status: { state, provenance } }) => state === 'down' && provenance !== 'removing');
  if (failed) return { outcome: 'broken-off', line: `${server}: down in ${failed.service}: ${failed.status.reason}` };
  const waiting = removal ? members : members.filter(({ status: { state } }) => state === 'draining');
  if (waiting.length === 0) return { outcome: 'done', line: `${server}: drained; it may be unplugged` };
  return {
    outcome: 'going',
    line: waiting.map(({ service }) => `${server}: ${describe(status, service, server)}`).join('; '),
  };
}

function describe({ services }: DaemonStatus, service: string, server: string): string {
  const entry = services.find((candidate) => candidate.service === service);
  const member = entry?.servers.find((candidate) => candidate.server === server);
  const kept = entry?.transition?.kept.find((candidate) => candidate.server === server);
  const until = member?.until ?? entry?.transition?.until;
  return [
    `${member?.state === 'drained' ? 'drained' : 'draining'} in ${service} for ${formatSeconds(member?.since ?? 0)}`,
    ...(kept ? [`${formatQuantity(Number(kept.packets))} packets, the last ${formatSeconds(kept.idle)} ago`] : []),
    ...(until === undefined ? [] : [`at most ${formatSeconds(until)} more`]),
  ].join(', ');
}
