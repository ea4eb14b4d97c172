import { serverAddress } from '../config/model.ts';
import type { Server } from '../config/model.ts';
import { formatPortRange } from '../config/ports.ts';
import type { Problem } from '../config/problem.ts';
import { withoutSecrets } from '../config/redact.ts';
import { hasErrors } from '../config/report.ts';
import { addSection, addToList, removeFromList, removeSection, setOption } from '../config/uci-edit.ts';
import { loadConfiguration } from '../config/validate.ts';
import { withoutTransitions } from '../deployment/distribution.ts';
import type { Squad } from '../membership/fleet.ts';
import type { Member } from '../membership/members.ts';
import {
  forget,
  orderAddition,
  orderRemoval,
  orderState,
  orderWeight,
  withdrawState,
  withdrawWeight,
} from '../membership/orders.ts';
import type { Membership, Orders } from '../membership/orders.ts';
import { parseAddress } from '../net/address.ts';
import type { Address, Family } from '../net/address.ts';
import type { NetworkState } from '../network/state.ts';
import { wantedNetwork } from '../network/wanted.ts';
import { planChange } from '../plan/plan.ts';
import type { Plan } from '../plan/plan.ts';
import { serverCounter } from '../ruleset/slot-map.ts';
import { ControlError } from '../service/control.ts';
import type {
  AddServer,
  Control,
  DaemonStatus,
  RemoveServer,
  Report,
  ServerReference,
  ServerStatus,
  ServiceStatus,
  SetServer,
  SetWeight,
} from '../service/control.ts';
import { parseClient, simulate } from '../simulate/simulate.ts';
import type { Simulation } from '../simulate/simulate.ts';
import { trackedSentences } from '../simulate/translation.ts';
import { progress } from '../transition/state.ts';
import { createAllocator } from './allocator.ts';
import type { Announcer } from './announcer.ts';
import type { Controller } from './controller.ts';
import type { HealthWatch } from './health-watch.ts';
import type { Count, Router } from './router.ts';

const LARGEST_WEIGHT = 1000;

export interface DaemonControlOptions {
  readonly controller: Controller;
  readonly health: HealthWatch;
  readonly announcer: Announcer;
  readonly router: Router;
  readonly clock: () => number;
  readonly version: string;
  readonly littleEndian: boolean;
  /** The configuration file: its name, and its text now. */
  readonly file: string;
  readonly readFile: () => string;
  readonly writeFile: (text: string) => void;
  /** Values of sysctls as they are now. */
  readonly readSysctls: (keys: readonly string[]) => NetworkState['sysctls'];
  /** Resolves when everything else that was waiting has had its turn. */
  readonly turn: () => Promise<void>;
  /** Reads the file again and takes it; false where it has errors. */
  readonly reload: () => Promise<boolean>;
  /** Why the kernel does not hold what it should, where that is so. */
  readonly failure: () => string | undefined;
  /** Called when an order has been taken: the time of the next change may be another. */
  readonly settled: () => void;
}

/** Answers those who ask the daemon, and does what they order. */
export class DaemonControl implements Control {
  readonly #options: DaemonControlOptions;
  readonly #started: number;

  constructor(options: DaemonControlOptions) {
    this.#options = options;
    this.#started = options.clock();
  }

  status(service?: string): Promise<DaemonStatus> {
    return settle(() => {
      const { controller, router, version, clock, failure, announcer } = this.#options;
      const squads = service === undefined ? [...controller.fleet.values()] : [this.#squad(service)];
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

  async setServer({ state, timeout, reason, persist, ...reference }: SetServer): Promise<void> {
    const subjects = this.#subjects(reference);
    if (timeout !== undefined && !(timeout > 0))
      throw new ControlError('invalid', `a timeout is more than 0 seconds, not ${timeout}`);
    const since = this.#options.clock();
    const change = (orders: Orders, subject: Membership): Orders => {
      if (state === 'auto') return withdrawState(orders, subject);
      const until = timeout === undefined ? {} : { until: since + timeout * 1000 };
      return orderState(orders, { ...subject, state, since, reason: reason ?? 'ordered', ...until });
    };
    await this.#order((orders) => subjects.reduce(change, orders));
    if (persist !== true) return;
    const enabled = state === 'up' || state === 'auto' ? '1' : '0';
    await this.#persist((text) => setOption(text, 'server', reference.server, 'enabled', enabled));
  }

  async setWeight({ weight, persist, ...reference }: SetWeight): Promise<void> {
    const subjects = this.#subjects(reference);
    checkWeight(weight);
    const change = (orders: Orders, subject: Membership): Orders =>
      // An order for what the file says would only overrule the file's next change.
      weight === this.#configuredWeight(subject)
        ? withdrawWeight(orders, subject)
        : orderWeight(orders, { ...subject, weight });
    await this.#order((orders) => subjects.reduce(change, orders));
    if (persist !== true) return;
    await this.#persist((text) => setOption(text, 'server', reference.server, 'weight', String(weight)));
    // The file says it now.
    await this.#order((orders) => subjects.reduce(withdrawWeight, orders));
  }

  async addServer({ server: name, service, address, address6, weight = 100, persist }: AddServer): Promise<void> {
    const squad = this.#squad(service);
    checkWeight(weight);
    const known = this.#configured(name);
    const server: Server = {
      ...{ name, weight },
      ...this.#ownAddress(squad, name, 'address', address ?? known?.address?.text),
      ...this.#ownAddress(squad, name, 'address6', address6 ?? known?.address6?.text),
    };
    if (!/^[a-z0-9_]+$/.test(name))
      throw new ControlError('invalid', `'${name}' is no name of a server; accepted: a–z, 0–9 and _`);
    if (!server.address && !server.address6)
      throw new ControlError('invalid', `${name} has no address; accepted: address, address6 or both`);
    if (squad.members.some((member) => member.server.name === name && member.provenance !== 'removing'))
      throw new ControlError('refused', `${name} is in service '${service}' already`);
    await this.#order((orders) => orderAddition(orders, { service, server }));
    if (persist !== true) return;
    await this.#persist((text) =>
      known
        ? addToList(text, 'server', name, 'service', service)
        : addSection(text, 'server', name, {
            service: [service],
            ...(server.address ? { address: server.address.text } : {}),
            ...(server.address6 ? { address6: server.address6.text } : {}),
            weight: String(weight),
          }),
    );
  }

  async removeServer({ drain = true, persist, ...reference }: RemoveServer): Promise<void> {
    const subjects = this.#subjects(reference);
    if (!drain) {
      // Who is down when it leaves has no connections to keep.
      const down = { state: 'down', since: this.#options.clock(), reason: 'removed' } as const;
      await this.#order((orders) =>
        subjects.reduce((sum, subject) => orderState(sum, { ...subject, ...down }), orders),
      );
    }
    await this.#order((orders) => subjects.reduce((sum, subject) => this.#remove(sum, subject), orders));
    if (persist !== true) return;
    await this.#persist((text) => {
      if (!this.#configured(reference.server)) return text;
      const { service, server } = reference;
      return service === undefined
        ? removeSection(text, 'server', server)
        : removeFromList(text, 'server', server, 'service', service);
    });
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
      const squads = service === undefined ? [...controller.fleet.values()] : [this.#squad(service)];
      const options = { littleEndian, ...(port === undefined ? {} : { port }) };
      return squads.map(({ roster, tables }) => {
        const simulation = simulate(roster.service, tables, client, options);
        const known = trackedSentences(roster.service, client, port, (original) => router.connection(original));
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

  #serviceStatus({ roster, members, tables, transition }: Squad, counters: ReadonlyMap<string, Count>): ServiceStatus {
    const { service } = roster;
    const { controller, clock } = this.#options;
    const isRunning = controller.deployment?.services.some((deployed) => deployed.service.name === service.name);
    return {
      service: service.name,
      ghosts: service.ghosts.map(({ text }) => text),
      protocols: service.protocols,
      ports: service.ports.map(formatPortRange),
      slots: service.slots,
      ...(isRunning ? {} : { inactive: 'its device is absent, or the router is against it' }),
      ...(transition ? { transition: progress(transition, clock()) } : {}),
      servers: members.map((member) => {
        const index = service.servers.indexOf(member.server);
        const slots = Math.max(...([4, 6] as const).map((family) => countOf(tables[family], index)));
        return this.#serverStatus(service.name, member, slots, slots / service.slots, counters);
      }),
    };
  }

  #serverStatus(
    service: string,
    { server, state, decider, reason, since, order, provenance }: Member,
    slots: number,
    share: number,
    counters: ReadonlyMap<string, Count>,
  ): ServerStatus {
    const now = this.#options.clock();
    const health = this.#options.health.healthOf(service, server.name);
    const probe = health?.lastProbe;
    // A reason may have become another since the state was decided.
    const isStill = decider === 'watchdog' && health !== undefined && health.up === (state === 'up');
    const { packets, bytes } = counters.get(serverCounter(service, server.name)) ?? { packets: 0n, bytes: 0n };
    return {
      server: server.name,
      ...(server.address ? { address: server.address.text } : {}),
      ...(server.address6 ? { address6: server.address6.text } : {}),
      ...{ state, decider, reason: isStill ? health.reason : reason, since: (now - since) / 1000 },
      ...(order?.until === undefined || order.until < now ? {} : { until: (order.until - now) / 1000 }),
      ...{ weight: server.weight, share, slots, packets, bytes },
      ...(provenance ? { provenance } : {}),
      damped: health?.damped ?? false,
      ...(probe ? { probe: { ...probe.result, age: (now - probe.at) / 1000 } } : {}),
      ...this.#report(service, server.name, now),
    };
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

  #configuredWeight({ service, server }: Membership): number | undefined {
    const services = this.#options.controller.configuration?.model.services ?? [];
    return services.find(({ name }) => name === service)?.servers.find(({ name }) => name === server)?.weight;
  }

  #squad(name: string): Squad {
    const { fleet } = this.#options.controller;
    const squad = fleet.get(name);
    if (squad) return squad;
    throw new ControlError('not-found', `no service '${name}'; there is: ${[...fleet.keys()].join(', ') || 'none'}`);
  }

  /** The server in each service that is meant; throws where it is in none. */
  #subjects({ server, service }: ServerReference): Membership[] {
    const squads = service === undefined ? [...this.#options.controller.fleet.values()] : [this.#squad(service)];
    const subjects = squads
      .filter(({ members }) =>
        members.some((member) => member.server.name === server && member.provenance !== 'removing'),
      )
      .map(({ roster }) => ({ service: roster.service.name, server }));
    if (subjects.length > 0) return subjects;
    const known = new Set(squads.flatMap(({ members }) => members.map((member) => member.server.name)));
    const where = service === undefined ? '' : ` in service '${service}'`;
    throw new ControlError('not-found', `no server '${server}'${where}; there is: ${[...known].join(', ') || 'none'}`);
  }

  #configured(name: string): Server | undefined {
    const services = this.#options.controller.configuration?.model.services ?? [];
    return services
      .flatMap(({ servers, disabled }) => [...servers, ...disabled])
      .find((server) => server.name === name);
  }

  /** A server that only an order has made is forgotten by its removal. */
  #remove(orders: Orders, subject: Membership): Orders {
    const isConfigured = this.#options.controller.configuration?.model.services.some(
      ({ name, servers, disabled }) =>
        name === subject.service && [...servers, ...disabled].some((server) => server.name === subject.server),
    );
    return isConfigured ? orderRemoval(orders, subject) : forget(orders, subject);
  }

  #ownAddress(
    { roster, members }: Squad,
    server: string,
    option: 'address' | 'address6',
    text: string | undefined,
  ): Partial<Record<'address' | 'address6', Address>> {
    if (text === undefined) return {};
    const family: Family = option === 'address' ? 4 : 6;
    const address = parseAddress(text);
    if (address?.family !== family) throw new ControlError('invalid', `'${text}' is no IPv${family} address`);
    const { fleet } = this.#options.controller;
    for (const other of fleet.values()) {
      const { ghosts, ghost2 } = other.roster.service;
      if ([...ghosts, ...ghost2].some((ghost) => ghost.text === address.text))
        throw new ControlError(
          'invalid',
          `'${address.text}' is a ghost address of service '${other.roster.service.name}'`,
        );
    }
    const owner = members.find(
      (member) => member.server.name !== server && serverAddress(member.server, family)?.text === address.text,
    );
    if (owner)
      throw new ControlError(
        'invalid',
        `'${address.text}' is the address of ${owner.server.name} in service '${roster.service.name}'`,
      );
    return { [option]: address };
  }

  async #order(change: (orders: Orders) => Orders): Promise<void> {
    await this.#options.controller.order(change);
    this.#options.settled();
  }

  /** Writes the configuration with a change, and takes it. What the file says besides stays, and counts from now on, too. */
  async #persist(edit: (text: string) => string): Promise<void> {
    const { file, readFile, writeFile, reload } = this.#options;
    const text = readFile();
    const edited = edit(text);
    if (edited === text) return;
    if (hasErrors(loadConfiguration(edited, file).problems))
      throw new ControlError('refused', `${file} has errors, so that nothing is written to it`);
    writeFile(edited);
    await reload();
  }
}

function checkWeight(weight: number): void {
  if (Number.isInteger(weight) && weight >= 0 && weight <= LARGEST_WEIGHT) return;
  throw new ControlError('invalid', `${weight} is no weight; accepted: 0–${LARGEST_WEIGHT}`);
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
