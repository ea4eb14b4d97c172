import { namesOfInterfaces } from '../config/ghost-interface.ts';
import { isFlooded, isRouted } from '../config/model.ts';
import type { Service } from '../config/model.ts';
import { formatPortRange } from '../config/ports.ts';
import type { Problem } from '../config/problem.ts';
import { withoutSecrets } from '../config/redact.ts';
import { loadConfiguration } from '../config/validate.ts';
import { flowsTo } from '../deployment/placement.ts';
import { withoutTransitions } from '../deployment/distribution.ts';
import { egressKey } from '../egress/egress.ts';
import { effectiveWeight } from '../load/factors.ts';
import type { Squad } from '../membership/fleet.ts';
import type { Member } from '../membership/members.ts';
import type { Address } from '../net/address.ts';
import type { Tuple } from '../netlink/conntrack.ts';
import { flowElementKey } from '../netlink/flow-elements.ts';
import type { NetworkState } from '../network/state.ts';
import { wantedNetwork } from '../network/wanted.ts';
import { planChange } from '../plan/plan.ts';
import type { Plan } from '../plan/plan.ts';
import { flowMap, noRoomCounter } from '../ruleset/placed.ts';
import { serverCounter } from '../ruleset/slot-map.ts';
import { ControlError } from '../service/control.ts';
import type {
  AddServer,
  Control,
  DaemonStatus,
  RemoveServer,
  Report,
  ServerStatus,
  ServiceStatus,
  SetServer,
  SetWeight,
} from '../service/control.ts';
import { parseClient, simulate } from '../simulate/simulate.ts';
import type { Simulation } from '../simulate/simulate.ts';
import { placedSentences } from '../simulate/placement.ts';
import { trackedSentences } from '../simulate/translation.ts';
import { progress } from '../transition/state.ts';
import { createAllocator } from './allocator.ts';
import type { Announcer } from './announcer.ts';
import { squadsMeant } from './control-lookup.ts';
import { OrderTaker, type OrderTakerOptions } from './control-orders.ts';
import type { HealthWatch } from './health-watch.ts';
import type { LoadWatch } from './load-watch.ts';
import type { Count, Router } from './router.ts';

const NOTHING: Count = { packets: 0n, bytes: 0n };

export interface DaemonControlOptions extends OrderTakerOptions {
  readonly health: HealthWatch;
  readonly announcer: Pick<Announcer, 'reporter' | 'refusals'>;
  readonly router: Router;
  /** Live connections of servers, where new ones follow them. */
  readonly loads: Pick<LoadWatch, 'countOf'>;
  readonly version: string;
  readonly littleEndian: boolean;
  /** Values of sysctls as they are now. */
  readonly readSysctls: (keys: readonly string[]) => NetworkState['sysctls'];
  /** Resolves when everything else that was waiting has had its turn. */
  readonly turn: () => Promise<void>;
  /** Why the kernel does not hold what it should, or servers are not told, where that is so. */
  readonly failure: () => string | undefined;
}

/** Answers those who ask the daemon, and does what they order. */
export class DaemonControl implements Control {
  readonly #options: DaemonControlOptions;
  readonly #orders: OrderTaker;
  readonly #started: number;

  constructor(options: DaemonControlOptions) {
    this.#options = options;
    this.#orders = new OrderTaker(options);
    this.#started = options.clock();
  }

  status(service?: string): Promise<DaemonStatus> {
    return settle(() => {
      const { controller, router, version, clock, failure, announcer } = this.#options;
      const squads = squadsMeant(controller.fleet, service);
      const counters = router.counters();
      const failing = failure();
      const refused = announcer.refusals();
      return {
        version,
        uptime: (clock() - this.#started) / 1000,
        ...(failing === undefined ? {} : { failing }),
        ...(refused ? { refused } : {}),
        services: squads.map((squad) => this.#serviceStatus(squad, counters)),
      };
    });
  }

  setServer(order: SetServer): Promise<void> {
    return this.#orders.setServer(order);
  }

  setWeight(order: SetWeight): Promise<void> {
    return this.#orders.setWeight(order);
  }

  addServer(order: AddServer): Promise<void> {
    return this.#orders.addServer(order);
  }

  removeServer(order: RemoveServer): Promise<void> {
    return this.#orders.removeServer(order);
  }

  simulate({
    client: text,
    service,
    port,
  }: {
    client: string;
    service?: string;
    port?: number;
  }): Promise<readonly Simulation[]> {
    return settle(() => {
      const client = parseClient(text);
      if (!client)
        throw new ControlError('invalid', `'${text}' is no client; accepted: ADDRESS, ADDRESS:PORT or [ADDRESS6]:PORT`);
      if (port !== undefined && !(Number.isInteger(port) && port >= 1 && port <= 65535))
        throw new ControlError('invalid', `${port} is no port; accepted: 1–65535`);
      const { controller, router, littleEndian } = this.#options;
      const squads = squadsMeant(controller.fleet, service);
      const options = { littleEndian, ...(port === undefined ? {} : { port }) };
      return squads.map(({ roster, tables }) => {
        const simulation = simulate(roster.service, tables, client, options);
        const { service: model } = roster;
        const known = model.placement
          ? placedSentences(model, client, port, (original) => this.#holder(model, original))
          : trackedSentences(model, client, port, (original) => router.connection(original));
        return known.length === 0 ? simulation : { ...simulation, why: [...simulation.why, ...known] };
      });
    });
  }

  async plan(): Promise<Plan & { readonly problems: readonly Problem[] }> {
    const { controller, file, readFile, readSysctls, turn } = this.#options;
    const configuration = loadConfiguration(readFile(), file);
    const { deployment, problems } = await controller.prospect(configuration, createAllocator(turn));
    const sysctls = readSysctls(wantedNetwork(deployment).sysctls.map(({ key }) => key));
    const plan = planChange(controller.deployment && withoutTransitions(controller.deployment), deployment, sysctls);
    return { ...plan, problems: [...configuration.problems, ...problems] };
  }

  async check(text?: string): Promise<readonly Problem[]> {
    const { controller, file, readFile } = this.#options;
    const configuration = loadConfiguration(text ?? readFile(), file);
    const { problems } = await controller.prospect(configuration, () => Promise.resolve({}));
    return [...configuration.problems, ...problems];
  }

  reload(): Promise<boolean> {
    return this.#options.reload();
  }

  async dump(): Promise<Readonly<Record<string, unknown>>> {
    const { controller } = this.#options;
    const { services } = await this.status();
    return {
      configuration: withoutSecrets(controller.text),
      services,
      orders: controller.orders,
      numbers: Object.fromEntries(controller.numbers),
      tables: Object.fromEntries(
        [...controller.fleet].map(([name, { tables, roster }]) => [
          name,
          {
            servers: roster.service.servers.map((server) => server.name),
            ipv4: [...(tables[4] ?? [])],
            ipv6: [...(tables[6] ?? [])],
          },
        ]),
      ),
      ruleset: controller.loaded ?? null,
    };
  }

  report({ up, reason, ttl, ...reference }: Report): void {
    this.#options.health.report({
      ...reference,
      up,
      ...(reason === undefined ? {} : { reason }),
      ...(ttl === undefined ? {} : { ttl: ttl * 1000 }),
    });
  }

  #serviceStatus(
    { roster, members, tables, transition, standing }: Squad,
    counters: ReadonlyMap<string, Count>,
  ): ServiceStatus {
    const { service } = roster;
    const { controller, clock } = this.#options;
    const isRunning = controller.deployment?.services.some((deployed) => deployed.service.name === service.name);
    const isWaiting = service.ghostInterfaces && service.ghosts.length === 0;
    return {
      service: service.name,
      ghosts: service.ghosts.map(({ text }) => text),
      protocols: service.protocols,
      ports: service.ports.map(formatPortRange),
      slots: service.slots,
      ...(isWaiting
        ? { inactive: `${namesOfInterfaces(service)} has no address at the moment, for which it waits` }
        : isRunning
          ? {}
          : { inactive: 'its device is absent, or the router is against it' }),
      ...(transition ? { transition: progress(transition, clock()) } : {}),
      ...(service.placement
        ? {
            flows: {
              limit: service.placement.limit,
              overflow: counters.get(noRoomCounter(service.name))?.packets ?? 0n,
            },
          }
        : {}),
      servers: members.map((member) => {
        const index = service.servers.indexOf(member.server);
        const owners = tables.turns ?? tables;
        const slots = Math.max(...([4, 6] as const).map((family) => countOf(owners[family], index)));
        const connections = this.#options.loads.countOf(service.name, member.server.name);
        const { packets, bytes } = counters.get(serverCounter(service.name, member.server.name)) ?? NOTHING;
        // With all servers getting all packets none of ours counts them.
        const counted = isFlooded(service) ? {} : { packets, bytes };
        const effective = effectiveWeight(member.server, standing.factors);
        return {
          ...this.#serverStatus(service.name, member, slots, slots / service.slots),
          ...(effective === undefined ? {} : { effectiveWeight: effective }),
          ...counted,
          ...(connections === undefined ? {} : { connections }),
        };
      }),
    };
  }

  #serverStatus(
    service: string,
    { server, state, decider, reason, since, order, provenance }: Member,
    slots: number,
    share: number,
  ): ServerStatus {
    const now = this.#options.clock();
    const health = this.#options.health.healthOf(service, server.name);
    const probe = health?.lastProbe;
    // A reason may have become another since the state was decided.
    const isStill = decider === 'watchdog' && health !== undefined && health.up === (state === 'up');
    return {
      server: server.name,
      ...(server.address ? { address: server.address.text } : {}),
      ...(server.address6 ? { address6: server.address6.text } : {}),
      ...this.#egress('egress', service, server.address),
      ...this.#egress('egress6', service, server.address6),
      ...{ state, decider, reason: isStill ? health.reason : reason, since: (now - since) / 1000 },
      ...(order?.until === undefined || order.until < now ? {} : { until: (order.until - now) / 1000 }),
      ...{ weight: server.weight, share, slots },
      ...(provenance ? { provenance } : {}),
      damped: health?.damped ?? false,
      ...(probe ? { probe: { ...probe.result, age: (now - probe.at) / 1000 } } : {}),
      ...this.#report(service, server.name, now),
    };
  }

  /** Under the name of the member: the device by which packets leave for a server's address, where the router picks the server. */
  #egress(member: 'egress' | 'egress6', service: string, address: Address | undefined): Partial<ServerStatus> {
    const { services = [], egresses } = this.#options.controller.deployment ?? {};
    const deployed = services.find((entry) => entry.service.name === service);
    if (!deployed || !address || !isRouted(deployed.service)) return {};
    return { [member]: (egresses?.get(egressKey(deployed.device, address))?.port ?? deployed.device).name };
  }

  /** Name of the server that has a flow of a service whose connections are placed one by one. */
  #holder({ name, servers }: Service, packet: Required<Tuple>): string | undefined {
    const { controller, router } = this.#options;
    const { family } = packet.source;
    const mark = router.flow(flowMap(name, family), flowElementKey(family, packet));
    return servers.find((server) => flowsTo(controller.deployment, name, server.name)?.mark === mark)?.name;
  }

  #report(service: string, server: string, now: number): Pick<ServerStatus, 'report'> {
    const reporter = this.#options.announcer.reporter(server);
    if (!reporter) return {};
    const told = reporter.health.find((health) => health.service === service);
    return {
      report: {
        age: (now - reporter.at) / 1000,
        ...(told ? { well: told.well, reason: told.reason } : {}),
        current: reporter.isCurrent,
        ...reporter.load,
      },
    };
  }
}

function countOf(table: Uint16Array | undefined, index: number): number {
  let count = 0;
  for (const owner of table ?? []) if (owner === index) count++;
  return count;
}

/** Runs code whose throw is a rejection. */
async function settle<T>(code: () => T): Promise<T> {
  return Promise.resolve(code());
}
