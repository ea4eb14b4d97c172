import type { Findings } from './findings.ts';
import { type Check, type Service, type Watchdog, firstTcpPort, isTranslated } from './model.ts';
import type { watchdogOptions } from './options.ts';
import type { Entry, TypedSection } from './parse.ts';
import type { Positions } from './positions.ts';
import { checkSectionName } from './section-name.ts';
import type { ServerSection } from './server-section.ts';
import { alternatives, nearest, quote } from './wording.ts';

export type WatchdogSection = TypedSection<typeof watchdogOptions>;

/** What watchdogs may refer to. */
export interface Watchable {
  /** Names of all service sections, also of those that are off or bad. */
  readonly services: readonly string[];
  /** All server sections, likewise. */
  readonly servers: readonly ServerSection[];
  /** Services that run. */
  readonly running: readonly Service[];
  /** Servers can report. */
  readonly hasKey: boolean;
}

/** The watchdog that a section describes; `undefined` where it is off, or bad (and reported). */
export function readWatchdog(
  section: WatchdogSection,
  watchable: Watchable,
  findings: Findings,
  positions: Positions,
): Watchdog | undefined {
  const { values } = section;
  const name = checkSectionName(section, 'watchdog', findings);
  const enabled = values.enabled.value;
  const serverNames = watchable.servers.flatMap(({ name }) => name ?? []);
  const services = enabled ? checkNames(section, 'service', values.service, watchable.services, findings) : [];
  const servers = enabled ? checkNames(section, 'server', values.server, serverNames, findings) : [];
  const check = checkOf(section);
  if (name === undefined || !section.sound || !check || !enabled) return undefined;
  // Nobody is meant by a list of which no name is right; an empty one would mean everybody.
  if (!services || !servers) return undefined;

  const watchdog: Watchdog = {
    name,
    check,
    interval: values.interval.value,
    timeout: values.timeout.value,
    rise: values.rise.value,
    fall: values.fall.value,
    services,
    servers,
    halfLife: values.half_life.value,
  };
  warnOfNobody(watchdog, section, watchable, findings);
  warnOfPorts(watchdog, section, watchable, findings);
  warnOfSilence(watchdog, section, watchable, findings);
  if (watchdog.check.type === 'report' && !watchable.hasKey) {
    findings.warning(
      { line: values.type?.line ?? section.line, section: section.label, option: 'type' },
      'hears no reports, and takes all its servers for failed',
      "option 'key' in globals",
    );
  }
  positions.note(section.line, section.label);
  if (values.port) positions.note(values.port.line, section.label, 'port');
  return watchdog;
}

function checkOf({ values }: WatchdogSection): Check | undefined {
  const { port, host, header, body, script } = values;
  const type = values.type?.value;
  switch (type) {
    case 'tcp':
      return { type, ...(port ? { port: port.value } : {}) };
    case 'http':
      return {
        type,
        ...(port ? { port: port.value } : {}),
        path: values.path.value,
        ...(host ? { host: host.value } : {}),
        status: values.status.map(({ value }) => value),
        ...(header ? { header: header.value } : {}),
        ...(body ? { body: body.value } : {}),
      };
    case 'script':
      return script && { type, path: script.value };
    case 'ubus':
      return { type, ttl: values.ttl.value };
    default:
      return type && { type };
  }
}

/** The names that exist; `undefined` where there were some, and none of them does. */
function checkNames(
  { label }: WatchdogSection,
  option: 'service' | 'server',
  entries: readonly Entry<string>[],
  known: readonly string[],
  findings: Findings,
): readonly string[] | undefined {
  const found = entries.filter(({ value, line }) => {
    if (known.includes(value)) return true;
    const meant = nearest(value, known);
    const names = known.length === 0 ? `the name of a ${option} section` : alternatives(known.map(quote));
    findings.error(
      { line, section: label, option },
      `no ${option} has the name ${quote(value)}`,
      meant === undefined ? names : `'${meant}', perhaps`,
    );
    return false;
  });
  return entries.length > 0 && found.length === 0 ? undefined : found.map(({ value }) => value);
}

function isFor(names: readonly string[], name: string): boolean {
  return names.length === 0 || names.includes(name);
}

function warnOfNobody(
  { services, servers }: Watchdog,
  { label, line }: WatchdogSection,
  watchable: Watchable,
  findings: Findings,
): void {
  const someone = watchable.servers.some(
    ({ name, values }) =>
      name !== undefined && isFor(servers, name) && values.service.some(({ value }) => isFor(services, value)),
  );
  if (someone) return;
  findings.warning(
    { line, section: label },
    'is for nobody',
    services.length > 0 && servers.length > 0
      ? 'servers that take part in one of its services'
      : 'servers that take part in a service',
  );
}

/** Says which services a watchdog passes over, since it has no port to ask. */
function warnOfPorts(
  { check, services, servers }: Watchdog,
  { label, line, values }: WatchdogSection,
  { running }: Watchable,
  findings: Findings,
): void {
  if ((check.type !== 'tcp' && check.type !== 'http') || check.port !== undefined) return;
  for (const service of running) {
    if (!isFor(services, service.name) || firstTcpPort(service) !== undefined) continue;
    if (!service.servers.some(({ name }) => isFor(servers, name))) continue;
    const named = values.service.find(({ value }) => value === service.name);
    findings.warning(
      { line: named?.line ?? line, section: label },
      `does not watch service '${service.name}', which names no TCP port`,
      "option 'port', or other services",
    );
  }
}

/** Says which services a watchdog passes over, since their servers have nothing that could report. */
function warnOfSilence(
  { check, services, servers }: Watchdog,
  { label, line, values }: WatchdogSection,
  { running }: Watchable,
  findings: Findings,
): void {
  if (check.type !== 'report') return;
  for (const service of running.filter(isTranslated)) {
    if (!isFor(services, service.name) || !service.servers.some(({ name }) => isFor(servers, name))) continue;
    const named = values.service.find(({ value }) => value === service.name);
    findings.warning(
      { line: named?.line ?? line, section: label },
      `does not watch service '${service.name}', whose servers with dispatch 'nat' know of no service and report nothing`,
      'another type, or other services',
    );
  }
}
