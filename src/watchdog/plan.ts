import { type Check, type Service, type Watchdog, firstTcpPort, isTranslated, serverAddress } from '../config/model.ts';
import type { DeployedServer, DeployedService } from '../deployment/deployment.ts';
import type { Address, Family } from '../net/address.ts';
import type { ProbeTarget } from './prober.ts';

/** What a plan needs of a service on this router. */
export type WatchedService = Pick<DeployedService, 'service' | 'device' | 'servers'>;

/** A server of a service: what a verdict is about. */
export interface Subject {
  readonly service: string;
  readonly server: string;
  /** Name of the device on which the server lives. */
  readonly device: string;
  /** The server's own addresses; under others it is another machine, of which nothing is known yet. */
  readonly addresses: readonly string[];
  /** Families in which it can get clients of the service. */
  readonly families: readonly Family[];
  /** Milliseconds in which the penalty for coming and going halves; 0 = no damping. */
  readonly halfLife: number;
  /** Milliseconds that a report holds which does not say it. */
  readonly reportTtl: number;
}

/** Results of a probe as one watchdog counts them. */
export interface PlannedCounter {
  /** Name of the watchdog. */
  readonly watchdog: string;
  readonly rise: number;
  readonly fall: number;
  /** Servers of services that are down while this counter says so: one server, in one or more services. */
  readonly subjects: readonly Subject[];
}

/** One question to one server, however many services and watchdogs want its answer. */
export interface PlannedProbe {
  /** Equal for the same question to the same server: what is known of it stays through a reload. */
  readonly key: string;
  readonly check: Check;
  readonly target: ProbeTarget;
  /** Milliseconds. */
  readonly interval: number;
  /** Milliseconds. */
  readonly timeout: number;
  readonly counters: readonly PlannedCounter[];
}

export interface ProbePlan {
  /** Every server of every service, watched or not. */
  readonly subjects: readonly Subject[];
  readonly probes: readonly PlannedProbe[];
}

/** Of servers that no watchdog names; milliseconds. */
const DEFAULT_HALF_LIFE = 30_000;

/** Where no watchdog of type `ubus` names the server; milliseconds. */
const DEFAULT_REPORT_TTL = 60_000;

/** A planned probe while watchdogs are added to it. */
interface Draft extends PlannedProbe {
  readonly counters: (PlannedCounter & { readonly subjects: Subject[] })[];
}

/**
 * Whom to ask what. A server is asked for every ghost address of a family in which it has an address; `arp` asks for its
 * own address, once for each family. `tcp` and `http` ask nobody where neither watchdog nor service names a TCP port. The
 * order, and with it the spread over time, follows the services, their servers and the watchdogs.
 */
export function planProbes(
  services: readonly WatchedService[],
  watchdogs: readonly Watchdog[],
  markBase: number,
): ProbePlan {
  const subjects: Subject[] = [];
  const drafts = new Map<string, Draft>();
  const questions = new Map(watchdogs.map((watchdog) => [watchdog, questionOf(watchdog)] as const));
  for (const watched of services) {
    for (const server of watched.servers) {
      const own = watchdogs.filter((watchdog) => isFor(watchdog, watched.service.name, server.name));
      const subject = subjectOf(watched, server, own);
      subjects.push(subject);
      for (const watchdog of own) {
        for (const target of targetsOf(watchdog.check, watched, server, markBase)) {
          const key = `${questions.get(watchdog) ?? ''} ${identityOf(watchdog.check, target)}`;
          let draft = drafts.get(key);
          if (!draft) {
            const { check, interval, timeout } = watchdog;
            draft = { key, check, target, interval, timeout, counters: [] };
            drafts.set(key, draft);
          }
          count(draft, watchdog, subject);
        }
      }
    }
  }
  return { subjects, probes: [...drafts.values()] };
}

function isFor({ services, servers }: Watchdog, service: string, server: string): boolean {
  return (services.length === 0 || services.includes(service)) && (servers.length === 0 || servers.includes(server));
}

function subjectOf({ service, device }: WatchedService, server: DeployedServer, own: readonly Watchdog[]): Subject {
  const ttl = own.flatMap(({ check }) => (check.type === 'ubus' ? check.ttl : []))[0];
  const able = ([4, 6] as const).filter((family) => serverAddress(server, family));
  return {
    service: service.name,
    server: server.name,
    device: device.name,
    addresses: able.flatMap((family) => serverAddress(server, family)?.text ?? []),
    families: able.filter((family) => isServed(service, family)),
    halfLife: own.length === 0 ? DEFAULT_HALF_LIFE : Math.max(...own.map(({ halfLife }) => halfLife)),
    reportTtl: ttl ?? DEFAULT_REPORT_TTL,
  };
}

function targetsOf(
  check: Check,
  { service, device }: WatchedService,
  server: DeployedServer,
  markBase: number,
): ProbeTarget[] {
  if (check.type === 'ubus' || (check.type === 'report' && isTranslated(service))) return [];
  const port = portOf(check, service, server);
  if (port === undefined && (check.type === 'tcp' || check.type === 'http')) return [];
  const targetOf = (ghost: Address, address: Address): ProbeTarget => ({
    service: service.name,
    server: server.name,
    ghost,
    address,
    device: { name: device.name, ifindex: device.ifindex },
    mark: (markBase + server.number) >>> 0,
    ...(port === undefined ? {} : { port }),
  });
  const targets = ([4, 6] as const).flatMap((family) => {
    const address = serverAddress(server, family);
    const ghosts = service.ghosts.filter((ghost) => ghost.family === family);
    if (!address) return [];
    // Where the ghost is none of the servers' business, they are asked as themselves.
    if (isTranslated(service)) {
      const [ghost = address] = ghosts;
      return isServed(service, family) ? [targetOf(check.type === 'script' ? ghost : address, address)] : [];
    }
    return (check.type === 'arp' ? ghosts.slice(0, 1) : ghosts).map((ghost) => targetOf(ghost, address));
  });
  // What a server tells of a service is of all its ghosts.
  return check.type === 'report' ? targets.slice(0, 1) : targets;
}

/** Who waits for a ghost of an interface's knows its servers already when there is one. */
function isServed({ ghosts, ghostInterfaces }: Service, of: Family): boolean {
  return ghostInterfaces !== undefined || ghosts.some(({ family }) => family === of);
}

function portOf(check: Check, service: Service, server: DeployedServer): number | undefined {
  const own = isTranslated(service) ? server.port : undefined;
  switch (check.type) {
    case 'tcp':
    case 'http':
      return check.port ?? (firstTcpPort(service) === undefined ? undefined : (own ?? firstTcpPort(service)));
    case 'script':
      return own ?? service.ports[0]?.first;
    default:
      return undefined;
  }
}

/** Equal for watchdogs that ask the same in the same rhythm. */
function questionOf({ check, interval, timeout }: Watchdog): string {
  return `${JSON.stringify(check)} ${interval}/${timeout}`;
}

/** What tells two targets of the same question apart. A script is told the service, and a report tells of one. */
function identityOf({ type }: Check, { service, server, ghost, address, device, port }: ProbeTarget): string {
  const parts = [`${device.name}/${server}`, address.text];
  if (type !== 'arp') parts.push(ghost.text);
  if (port !== undefined) parts.push(String(port));
  if (type === 'script' || type === 'report') parts.push(service);
  return parts.join(' ');
}

function count(draft: Draft, { name, rise, fall }: Watchdog, subject: Subject): void {
  const counter = draft.counters.find(({ watchdog }) => watchdog === name);
  if (!counter) draft.counters.push({ watchdog: name, rise, fall, subjects: [subject] });
  else if (!counter.subjects.includes(subject)) counter.subjects.push(subject);
}
