import { nearest, quote } from '../config/wording.ts';
import type { DaemonStatus, ServerReference, ServerStatus } from '../service/control.ts';

/** A server in a service. */
export interface Member {
  readonly service: string;
  readonly status: ServerStatus;
}

/** Those that a reference means: the server in the service, or in all its services; a sentence where there is none. */
export function membersOf(
  { services }: DaemonStatus,
  { server, service }: ServerReference,
): readonly Member[] | string {
  const missing =
    service === undefined
      ? undefined
      : missingService(
          services.map((entry) => entry.service),
          service,
        );
  if (missing !== undefined) return missing;
  const everywhere = services.flatMap((entry) =>
    entry.servers.filter((status) => status.server === server).map((status) => ({ service: entry.service, status })),
  );
  const members = everywhere.filter((member) => service === undefined || member.service === service);
  if (members.length > 0) return members;
  if (everywhere.length > 0) {
    const where = everywhere.map((member) => member.service).join(', ');
    return `server ${quote(server)} is not in service ${quote(service ?? '')}; it is in: ${where}`;
  }
  const present = services.filter((entry) => service === undefined || entry.service === service);
  const names = [...new Set(present.flatMap(({ servers }) => servers.map((entry) => entry.server)))];
  return `no server ${quote(server)}; ${thereIs(names, server)}`;
}

/** Why there is no such service; `undefined` where there is. */
export function missingService(names: readonly string[], service: string): string | undefined {
  return names.includes(service) ? undefined : `no service ${quote(service)}; ${thereIs(names, service)}`;
}

/** At most so many names are listed. */
const LONGEST_LIST = 16;

function thereIs(names: readonly string[], wanted: string): string {
  if (names.length === 0) return 'there is none';
  const meant = nearest(wanted, names);
  const list = names.slice(0, LONGEST_LIST).join(', ') + (names.length > LONGEST_LIST ? ', …' : '');
  return `there is: ${list}${meant === undefined ? '' : `; did you mean ${quote(meant)}?`}`;
}
