import { channelsOf } from '../../channel/place.ts';
import { withoutSecrets } from '../../config/redact.ts';
import type { Configuration } from '../../config/validate.ts';
import { firstTcpPort, isFlooded, isTranslated, serverAddress } from '../../config/model.ts';
import { activate } from '../../deployment/activate.ts';
import type { DeployedService, Deployment } from '../../deployment/deployment.ts';
import { devicesThatAnswer } from '../../deployment/ghost.ts';
import type {
  DaemonSight,
  GhostAnswer,
  GhostClaim,
  RouterObservation,
  RoutingRules,
  ServerSight,
} from '../../doctor/router-observation.ts';
import { NO_ORDERS } from '../../membership/orders.ts';
import { recall } from '../../membership/recall.ts';
import { parseSnapshot } from '../../membership/snapshot.ts';
import type { Address } from '../../net/address.ts';
import { isRemoval } from '../../network/diff.ts';
import type { NetworkChange } from '../../network/diff.ts';
import { wantedNetwork } from '../../network/wanted.ts';
import type { ProbeResult, ProbeTarget } from '../../watchdog/prober.ts';
import type { Check } from '../../config/model.ts';
import { readTextIfThere } from '../files.ts';
import { Journal } from '../journal.ts';
import type { NetlinkChannel } from '../netlink-channel.ts';
import { Network } from '../network.ts';
import { HostProber } from '../probe/prober.ts';
import { observeOnce } from '../router.ts';
import { readRoutes, readRules } from '../rtnetlink.ts';
import { readSysctl } from '../sysctl.ts';
import { whoHas } from './claims.ts';
import { readLegacyTables } from './legacy-tables.ts';
import { isLocked } from './lock.ts';
import { measurePath } from './path-mtu.ts';
import { listRuleset } from './ruleset.ts';

const SYSCTLS = [
  'net/ipv6/conf/all/forwarding',
  'net/bridge/bridge-nf-call-iptables',
  'net/bridge/bridge-nf-call-ip6tables',
  'net/netfilter/nf_conntrack_count',
  'net/netfilter/nf_conntrack_max',
];
/** Milliseconds that a server has for an answer, and how often it is asked. */
const PATIENCE = 700;
const ATTEMPTS = 2;
/** Servers that are looked at side by side. */
const AT_ONCE = 16;

/** Where the router keeps what. */
export interface RouterPlaces {
  /** State directory of the daemon. */
  readonly state: string;
  /** Socket of ubusd. */
  readonly ubus: string;
  /** UCI configuration of the firewall, which need not be there. */
  readonly firewall: string;
}

/** Times that a router is looked at which changes meanwhile. */
const LOOKS = 3;

/**
 * Looks at the router that this machine is. Asks servers as the watchdog does, and for their addresses and the ghosts; changes
 * nothing. `status`: what the daemon says of itself.
 */
export async function observeRouter(
  channel: NetlinkChannel,
  text: string,
  configuration: Configuration,
  places: RouterPlaces,
  status: DaemonSight['status'],
): Promise<RouterObservation> {
  const inForce = () => readTextIfThere(`${places.state}/applied.json`);
  for (let look = 1; ; look++) {
    const stored = inForce();
    const seen = await observeBeside(stored, channel, text, configuration, places, status);
    // What the daemon has changed meanwhile cannot be judged by what was in force before.
    if (look === LOOKS || inForce() === stored) return seen;
  }
}

/** The same beside what the daemon has written down as in force. */
async function observeBeside(
  stored: string | undefined,
  channel: NetlinkChannel,
  text: string,
  configuration: Configuration,
  { state, ubus, firewall }: RouterPlaces,
  status: DaemonSight['status'],
): Promise<RouterObservation> {
  const snapshot = stored === undefined ? undefined : parseSnapshot(stored);
  const observation = await observeOnce(ubus, state, snapshot?.observation);
  const { configuration: meant, tablesOf } = recall(
    configuration,
    snapshot ?? { orders: NO_ORDERS, standings: [] },
    observation.environment,
  );
  const { deployment, problems } = activate(meant, observation, snapshot?.numbers ?? new Map(), tablesOf);
  const running = status !== undefined || isLocked(`${state}/daemon.lock`);
  const ruleset = listRuleset();
  const firewallConfiguration = readTextIfThere(firewall);
  const prober = new HostProber();
  try {
    const servers = await lookAtServers(deployment, prober);
    return {
      configuration: withoutSecrets(text),
      problems: [...configuration.problems, ...problems],
      deployment,
      channels: [...channelsOf(meant.model).values()].flatMap(({ services, family }) => {
        const deployed = deployment.services.find(({ service }) => services.some(({ name }) => name === service.name));
        const port = meant.model.globals.channelPort;
        return deployed ? [{ device: deployed.device.name, family, port }] : [];
      }),
      daemon: {
        running,
        ...(status && { status }),
        ...(snapshot && { configuration: withoutSecrets(snapshot.configuration) }),
      },
      lacking: running && snapshot ? lackingOf(deployment, state) : [],
      ...(ruleset !== undefined && { ruleset }),
      legacyTables: readLegacyTables(),
      ...(firewallConfiguration !== undefined && { firewallConfiguration }),
      sysctls: new Map(
        SYSCTLS.flatMap((key) => {
          const value = readSysctl(key);
          return value === undefined ? [] : [[key, value] as const];
        }),
      ),
      routing: ([4, 6] as const).map((family): RoutingRules => {
        const rules = readRules(channel, family);
        const tables = [...new Set(rules.map(({ table }) => table))];
        const hasDefault = (table: number) =>
          readRoutes(channel, family, { table }).some(({ destination }) => destination === 'default');
        return { family, rules, defaults: new Set(tables.filter(hasDefault)) };
      }),
      servers,
      claims: await claimsOnGhosts(deployment),
      answers: running ? await askForGhosts(deployment, servers, prober) : [],
    };
  } finally {
    prober.close();
  }
}

function lackingOf(deployment: Deployment, state: string): NetworkChange[] {
  const network = new Network(new Journal(`${state}/undo.json`, () => undefined));
  try {
    return network.plan(wantedNetwork(deployment)).filter((change) => !isRemoval(change));
  } finally {
    network.close();
  }
}

/** Every address of every server on its device, once. */
async function lookAtServers(deployment: Deployment, prober: HostProber): Promise<ServerSight[]> {
  const targets = new Map<
    string,
    { readonly deployed: DeployedService; readonly name: string; readonly address: Address }
  >();
  for (const deployed of deployment.services) {
    for (const server of deployed.servers) {
      for (const family of [4, 6] as const) {
        const address = serverAddress(server, family);
        const isNeeded = deployed.ghosts.some((ghost) => ghost.address.family === family);
        if (address && isNeeded && deployed.device.hardware !== undefined) {
          targets.set(`${deployed.device.name} ${address.text}`, { deployed, name: server.name, address });
        }
      }
    }
  }
  return inTurns([...targets.values()], async ({ deployed: { device }, name, address }) => {
    const target = { service: '', server: name, ghost: address, address, device, mark: 0 };
    const { passed: resolves } = await insist(prober, { type: 'arp' }, target);
    const path = resolves ? await measurePath(address, device, device.mtu) : undefined;
    const hardware = resolves ? (await whoHas(address, device))[0] : undefined;
    return {
      name,
      address,
      device: device.name,
      resolves,
      ...(hardware !== undefined && { hardware }),
      ...(path && { path }),
    };
  });
}

/** Who answers for the ghosts where they lie in a subnet of ours, and among the servers. */
function claimsOnGhosts({ services, observation }: Deployment): Promise<GhostClaim[]> {
  const places = new Map<string, { readonly ghost: Address; readonly device: DeployedService['device'] }>();
  for (const { device, ghosts } of services) {
    for (const { address: ghost } of ghosts) {
      for (const link of [device, ...devicesThatAnswer(ghost, observation.environment)]) {
        if (link.hardware !== undefined) places.set(`${link.name} ${ghost.text}`, { ghost, device: link });
      }
    }
  }
  return inTurns([...places.values()], async ({ ghost, device }) => ({
    ghost,
    device: device.name,
    by: await whoHas(ghost, device),
  }));
}

interface Question {
  readonly check: Check;
  readonly words: string;
  readonly target: ProbeTarget;
  /** Absent where all of them are asked at once. */
  readonly server?: string;
}

/** Asks every server for every ghost, the way that packets of clients go; those whose packets go to all of them, once. */
async function askForGhosts(
  { services, markBase }: Deployment,
  sights: readonly ServerSight[],
  prober: HostProber,
): Promise<GhostAnswer[]> {
  const silent = new Set(sights.filter(({ resolves }) => !resolves).map(({ address }) => address.text));
  const questions = services.flatMap((deployed): Question[] => {
    const { service, device, servers, ghosts } = deployed;
    const port = firstTcpPort(service);
    const check: Check = port === undefined ? { type: 'ping' } : { type: 'tcp', port };
    const words = port === undefined ? 'ping' : `tcp port ${port}`;
    return ghosts.flatMap(({ address: ghost }): Question[] => {
      const common = { service: service.name, ghost, device };
      if (isFlooded(service)) {
        return [{ check, words, target: { ...common, server: '', address: ghost, mark: 0 } }];
      }
      return servers.flatMap((server) => {
        const address = serverAddress(server, ghost.family);
        if (!address || silent.has(address.text) || server.weight === 0) return [];
        const target = { ...common, server: server.name, address, mark: (markBase + server.number) >>> 0 };
        if (!isTranslated(service)) return [{ check, words, target, server: server.name }];
        const own = port === undefined ? undefined : (server.port ?? port);
        return [
          {
            ...(own === undefined ? { check, words } : { check: { type: 'tcp', port: own }, words: `tcp port ${own}` }),
            ...{ target: { ...target, ghost: address }, server: server.name },
          },
        ];
      });
    });
  });
  return inTurns(questions, async ({ check, words, target, server }) => {
    const { passed, reason } = await insist(prober, check, target);
    return { ghost: target.ghost, ...(server !== undefined && { server }), check: words, passed, reason };
  });
}

/** Asks again where there was no answer: one lost packet is no finding. */
async function insist(prober: HostProber, check: Check, target: ProbeTarget): Promise<ProbeResult> {
  for (let attempt = 1; ; attempt++) {
    const result = await new Promise<ProbeResult>((resolve) => prober.start(check, target, PATIENCE, resolve));
    if (result.passed || attempt === ATTEMPTS) return result;
  }
}

/** Does something for each item, for so many at a time, and keeps their order. */
async function inTurns<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (let first = 0; first < items.length; first += AT_ONCE) {
    results.push(...(await Promise.all(items.slice(first, first + AT_ONCE).map(work))));
  }
  return results;
}
