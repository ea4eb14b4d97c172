import type { Family } from '../net/address.ts';
import { findRouteClash } from './dispatch.ts';
import { Findings } from './findings.ts';
import { type Model, type Server, type Service, isFlooded, serverAddress } from './model.ts';
import { globalsOptions, sectionTypes, serverOptions, serviceOptions, watchdogOptions } from './options.ts';
import { findOverlap } from './overlap.ts';
import { readSection } from './parse.ts';
import { Positions } from './positions.ts';
import type { Problem } from './problem.ts';
import { type ServerDraft, readServer } from './server-section.ts';
import { readService } from './service-section.ts';
import { checkServerPort } from './translation.ts';
import { type UciSection, parseUci, sectionLabel } from './uci.ts';
import { readWatchdog } from './watchdog-section.ts';
import { alternatives, count, nearest, quote } from './wording.ts';

/** Most servers that a service can have. */
export const maximumServers = 256;

/** What a file means. */
export interface Configuration {
  /** What is right in the file; a service may be without servers. */
  readonly model: Model;
  /** All that is wrong, by line. */
  readonly problems: readonly Problem[];
  /** Where the parts of the model stand, for `checkEnvironment`. */
  readonly positions: Positions;
}

/**
 * Reads a configuration and reports every problem at once. A section with an error is left out, the rest stands; in
 * `globals` the default takes the place of a wrong value. The same text gives the same result; never throws.
 */
export function loadConfiguration(text: string, file: string): Configuration {
  const document = parseUci(text, file);
  const findings = new Findings(file);
  const positions = new Positions(file);
  const sections = (type: string): UciSection[] => document.sections.filter((section) => section.type === type);

  warnOfUnknownTypes(document.sections, findings);
  const globals = readGlobals(sections('globals'), document.sections, findings);
  const services = withoutOverlaps(
    sections('service').flatMap(
      (section) => readService(readSection(serviceOptions, section, findings), findings, positions) ?? [],
    ),
    findings,
    positions,
  );
  const owners = new Map(
    services.flatMap(({ name, ghosts, ghost2 }) =>
      [...ghosts, ...ghost2].map(({ text }) => [text, label(name)] as const),
    ),
  );
  const serverSections = sections('server').map((section) => readSection(serverOptions, section, findings));
  const servers = serverSections.flatMap((section) => readServer(section, owners, findings, positions) ?? []);
  const known = sections('service').flatMap(({ name }) => name ?? []);
  for (const draft of servers.filter(({ enabled }) => enabled)) checkMembership(draft, known, findings);
  // A service whose servers are all bad needs no message of its own.
  const claimed = new Set(
    serverSections.flatMap(({ values }) => (values.enabled.value ? values.service.map(({ value }) => value) : [])),
  );
  for (const { name } of services) {
    if (claimed.has(name)) continue;
    const section = label(name);
    findings.warning(positions.place(section), 'has no server', `a server section with option service ${quote(name)}`);
  }
  for (const { name, dispatch, adapt } of services.filter(isFlooded)) {
    if (globals.key !== undefined) continue;
    findings.warning(
      positions.place(label(name), 'dispatch'),
      `'${dispatch}' without a key leaves the servers without word of the router: one that fails keeps its clients${adapt ? ", and 'adapt' has no load that they report" : ''}`,
      "option 'key' in the globals, the same on the router and all servers",
    );
  }
  const complete = services.flatMap((service) => withServers(service, servers, findings, positions) ?? []);
  const watchable = { services: known, servers: serverSections, running: complete, hasKey: globals.key !== undefined };
  const watchdogs = sections('watchdog').flatMap(
    (section) => readWatchdog(readSection(watchdogOptions, section, findings), watchable, findings, positions) ?? [],
  );

  const problems = [...document.problems, ...findings.problems].sort((a, b) => a.line - b.line);
  return { model: { globals, services: complete, watchdogs }, problems, positions };
}

function label(service: string): string {
  return sectionLabel({ type: 'service', name: service });
}

function warnOfUnknownTypes(sections: readonly UciSection[], findings: Findings): void {
  const types = Object.keys(sectionTypes);
  for (const section of sections) {
    if (types.includes(section.type)) continue;
    const meant = nearest(section.type, types);
    findings.warning(
      { line: section.line, section: sectionLabel(section) },
      `is of an unknown type and ignored${meant === undefined ? '' : `; did you mean '${meant}'?`}`,
    );
  }
}

function readGlobals(found: readonly UciSection[], all: readonly UciSection[], findings: Findings): Model['globals'] {
  const none: UciSection = { type: 'globals', line: all[0]?.line ?? 1, options: new Map(), damaged: false };
  const [section = none, ...excess] = found;
  const { values } = readSection(globalsOptions, section, findings);
  for (const other of excess) {
    findings.error(
      { line: other.line, section: sectionLabel(other) },
      `is ignored, since line ${section.line} has the globals already`,
      'one section of this type',
    );
  }
  const { key, load_script: script } = values;
  if (script && !key) {
    findings.warning(
      { line: script.line, section: sectionLabel(section), option: 'load_script' },
      'tells nobody its number',
      "option 'key' in globals",
    );
  }
  return {
    enabled: values.enabled.value,
    markBase: values.mark_base.value,
    tableBase: values.table_base.value,
    rulePriority: values.rule_priority.value,
    ...(key ? { key: key.value } : {}),
    channelPort: values.channel_port.value,
    ...(script ? { loadScript: { path: script.value, interval: values.load_interval.value } } : {}),
    bridgeBypass: values.bridge_bypass.value,
  };
}

/** Leaves out every service that claims what an earlier one has, or a route of its own for what has one. */
function withoutOverlaps(services: readonly Service[], findings: Findings, positions: Positions): Service[] {
  const kept: Service[] = [];
  for (const service of services) {
    const clash = kept
      .map((owner) => ({ owner, overlap: findOverlap(owner, service) }))
      .find(({ overlap }) => overlap !== undefined);
    const routeClash = kept
      .map((owner) => {
        const name = label(owner.name);
        return findRouteClash(owner, service, `${name} (line ${positions.place(name).line})`);
      })
      .find((found) => found !== undefined);
    if (clash?.overlap) {
      const { ghost, traffic } = clash.overlap;
      const owner = label(clash.owner.name);
      const option = service.ghostInterfaces?.includes(ghost.text) === true ? 'ghost_interface' : 'ghost';
      findings.error(
        positions.place(label(service.name), option, ghost.text),
        `'${ghost.text}' with ${traffic} belongs to ${owner} (line ${positions.place(owner).line})`,
        'another ghost address, other ports or another protocol',
      );
    } else if (routeClash) {
      const { option, value, message, accepted } = routeClash;
      findings.error(positions.place(label(service.name), option, value), message, accepted);
    } else kept.push(service);
  }
  return kept;
}

/** `known`: names of all service sections, also of those that are off or bad. */
function checkMembership({ section }: ServerDraft, known: readonly string[], findings: Findings): void {
  const { label: server, line, values } = section;
  if (values.service.length === 0) {
    findings.warning({ line, section: server }, 'takes part in no service', "option 'service' with the name of one");
  }
  for (const { value, line } of values.service) {
    if (known.includes(value)) continue;
    const meant = nearest(value, known);
    const names = known.length === 0 ? 'the name of a service section' : alternatives(known.map(quote));
    findings.error(
      { line, section: server, option: 'service' },
      `no service has the name ${quote(value)}`,
      meant === undefined ? names : `'${meant}', perhaps`,
    );
  }
}

/** The service with its servers, and without ghost addresses that none of them could take. */
function withServers(
  service: Service,
  drafts: readonly ServerDraft[],
  findings: Findings,
  positions: Positions,
): Service | undefined {
  const section = label(service.name);
  const candidates = drafts.filter((draft) => draft.section.values.service.some(({ value }) => value === service.name));
  const disabled = candidates.filter(({ enabled }) => !enabled).map(({ server }) => server);
  const servers = withoutTwins(
    candidates.filter(({ enabled, server }) => enabled && checkServerPort(server, service, findings, positions)),
    service,
    findings,
    positions,
  );
  if (servers.length === 0) return service;
  if (servers.length > maximumServers) {
    findings.error(
      positions.place(section),
      `has ${servers.length} servers; those behind the first ${maximumServers} get no clients`,
      `at most ${count(maximumServers, 'server')}`,
    );
    servers.length = maximumServers;
  }
  const families = ([4, 6] as const).filter((family) => checkFamily(service, servers, family, findings, positions));
  const ghosts = service.ghosts.filter(({ family }) => families.includes(family));
  return ghosts.length === 0 && !service.ghostInterfaces ? undefined : { ...service, ghosts, servers, disabled };
}

/** Leaves out servers whose address an earlier server of the same service has. */
function withoutTwins(
  drafts: readonly ServerDraft[],
  service: Service,
  findings: Findings,
  positions: Positions,
): Server[] {
  const owners = new Map<string, string>();
  return drafts.flatMap(({ server, section }) => {
    const own = ([4, 6] as const).flatMap((family) => serverAddress(server, family) ?? []);
    const taken = own.find(({ text }) => owners.has(text));
    if (taken) {
      findings.error(
        positions.place(section.label, taken.family === 4 ? 'address' : 'address6'),
        `'${taken.text}' is the address of ${owners.get(taken.text) ?? ''}, so that this one is left out of ${label(service.name)}`,
        'an address of its own',
      );
      return [];
    }
    for (const { text } of own) owners.set(text, section.label);
    return [server];
  });
}

/** False where the service has ghost addresses of a family, but no server that could take their clients. */
function checkFamily(
  service: Service,
  servers: readonly Server[],
  family: Family,
  findings: Findings,
  positions: Positions,
): boolean {
  const ghosts = service.ghosts.filter((ghost) => ghost.family === family);
  if (ghosts.length === 0) return true;
  const option = family === 4 ? 'address' : 'address6';
  const able = servers.filter((server) => serverAddress(server, family));
  if (able.length === 0) {
    for (const { text } of ghosts) {
      findings.error(
        positions.place(label(service.name), 'ghost', text),
        `'${text}' is left out, since no server of the service has an IPv${family} address`,
        `option '${option}' in its servers`,
      );
    }
    return false;
  }
  for (const server of servers) {
    if (serverAddress(server, family)) continue;
    findings.warning(
      positions.place(sectionLabel({ type: 'server', name: server.name })),
      `has no IPv${family} address and gets no IPv${family} clients of ${label(service.name)}`,
      `option '${option}'`,
    );
  }
  if (able.every(({ weight }) => weight === 0)) {
    findings.warning(
      positions.place(label(service.name)),
      `has no server for IPv${family} clients with a weight above 0`,
      "option 'weight' 1–1000 in one of its servers",
    );
  }
  return true;
}
