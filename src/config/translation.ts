import type { RouteClash } from './dispatch.ts';
import type { Findings } from './findings.ts';
import { type Server, type Service, isTranslated } from './model.ts';
import type { Positions } from './positions.ts';
import type { ServiceSection } from './service-section.ts';
import { sectionLabel } from './uci.ts';

/** Options that say what becomes of connections of which the router has no record: here it has one of each. */
const ofUntracked = [
  'on_change',
  'on_failure',
  'second_chance',
  'drain_timeout',
  'idle_timeout',
  'learn_time',
] as const;

/** Says what means nothing to a service whose connections are translated. False where something stands in the way. */
export function checkTranslation({ values, given, label }: ServiceSection, findings: Findings): boolean {
  for (const option of ofUntracked) {
    const line = given.get(option);
    if (line === undefined) continue;
    findings.warning(
      { line, section: label, option },
      "does not go with dispatch 'nat' and is ignored, since every connection is tracked",
    );
  }
  const scheduler = values.scheduler.value;
  const line = given.get('hash');
  if (scheduler !== 'hash' && line !== undefined) {
    findings.warning(
      { line, section: label, option: 'hash' },
      `does not go with scheduler '${scheduler}' and is ignored`,
    );
  }
  const [followed] = values.ghost_interface;
  if (!followed || values.port.length > 0) return true;
  findings.error(
    { line: followed.line, section: label, option: 'ghost_interface' },
    `'${followed.value}' has addresses of the router itself, of which a service cannot take every port`,
    "option 'port' with the ports of the service",
  );
  return false;
}

/** False where a service that is not translated wants what only those can have (and that is reported). */
export function refuseTranslation({ values, given, label }: ServiceSection, findings: Findings): boolean {
  const { scheduler, masquerade, dispatch, ghost_interface } = values;
  const [followed] = ghost_interface;
  if (followed) {
    findings.error(
      { line: followed.line, section: label, option: 'ghost_interface' },
      `'${followed.value}' does not go with dispatch '${dispatch.value}', in which servers carry the ghost address and would not hear that it has become another one`,
      "dispatch 'nat', or the address itself in option 'ghost'",
    );
  }
  if (masquerade.value) {
    findings.warning(
      { line: masquerade.line, section: label, option: 'masquerade' },
      `does not go with dispatch '${dispatch.value}' and is ignored, since servers answer clients themselves`,
      "dispatch 'nat'",
    );
  }
  if (scheduler.value === 'hash' || dispatch.value === 'route') return !followed;
  findings.error(
    { line: given.get('scheduler') ?? scheduler.line, section: label, option: 'scheduler' },
    `'${scheduler.value}' does not go with dispatch '${dispatch.value}', in which nobody remembers who has a connection`,
    "scheduler 'hash'; or dispatch 'route' or 'nat'",
  );
  return false;
}

/** An address is tracked, or it is not: two services of which one is translated cannot share a ghost. */
export function findTrackingClash(earlier: Service, later: Service, owner: string): RouteClash | undefined {
  if (isTranslated(earlier) === isTranslated(later)) return undefined;
  const common = later.ghosts.find(({ text }) => earlier.ghosts.some((ghost) => ghost.text === text));
  return (
    common && {
      option: 'ghost',
      value: common.text,
      message: `'${common.text}' has dispatch '${earlier.dispatch}' for ${owner}, and an address is tracked or it is not`,
      accepted: `dispatch '${earlier.dispatch}', or another ghost address`,
    }
  );
}

/** The service's only port, where it has just one. */
export function singlePort({ ports }: Pick<Service, 'ports'>): number | undefined {
  const [only] = ports;
  return ports.length === 1 && only?.first === only?.last ? only?.first : undefined;
}

/** False where the server's own port cannot be the service's (and that is reported). */
export function checkServerPort(server: Server, service: Service, findings: Findings, positions: Positions): boolean {
  if (server.port === undefined) return true;
  const place = positions.place(sectionLabel({ type: 'server', name: server.name }), 'port');
  const of = `service '${service.name}'`;
  if (!isTranslated(service)) {
    findings.warning(
      place,
      `does not go with dispatch '${service.dispatch}' of ${of} and is ignored there, since packets reach servers as they are`,
      "dispatch 'nat'",
    );
    return true;
  }
  if (singlePort(service) !== undefined) return true;
  findings.error(
    place,
    `'${server.port}' cannot be every port of ${of}, so that this server is left out of it`,
    'a service with a single port, or no port here',
  );
  return false;
}
