import { followInterfaces, isFollowing } from '../config/ghost-interface.ts';
import { formatProblem, hasErrors } from '../config/report.ts';
import { loadConfiguration } from '../config/validate.ts';
import type { Configuration } from '../config/validate.ts';
import { activate } from '../deployment/activate.ts';
import type { Activation } from '../deployment/activate.ts';
import { claimsOf } from '../deployment/deployment.ts';
import type { Deployment, Observation } from '../deployment/deployment.ts';
import { FollowedGhosts } from '../deployment/followed-ghosts.ts';
import { isSameDistribution, redistribute } from '../deployment/distribution.ts';
import { onlyServers } from '../deployment/observation.ts';
import { leavingBy, stillLeavingBy } from '../deployment/ways-out.ts';
import { modelOf, tablesIn, transitionIn } from '../membership/fleet.ts';
import { flowsTo } from '../deployment/placement.ts';
import { lostServers } from '../membership/lost.ts';
import type { Fleet } from '../membership/fleet.ts';
import { memberChanges } from '../membership/members.ts';
import type { Member, MemberChange } from '../membership/members.ts';
import { expireOrders, nextExpiry, retainOrders } from '../membership/orders.ts';
import type { Orders } from '../membership/orders.ts';
import type { LoadSource } from '../load/levels.ts';
import { wantedNetwork } from '../network/wanted.ts';
import { stagesOf } from '../plan/stages.ts';
import type { Ruleset } from '../ruleset/ruleset.ts';
import type { Allocate } from './allocator.ts';
import { ConnectionSamples } from './connection-samples.ts';
import { FleetPlanner } from './fleet-planner.ts';
import type { FleetPlannerOptions } from './fleet-planner.ts';
import { LoadedDeployment } from './loaded-deployment.ts';
import { Records } from './records.ts';
import type { Router } from './router.ts';
import { isShapedLike } from './shape.ts';
import type { Shape } from './shape.ts';
import { Sight } from './sight.ts';
import { TrackedConnections } from './tracked-connections.ts';
import { Turns } from './turns.ts';

export interface ControllerOptions extends FleetPlannerOptions {
  readonly router: Router;
  /** One line for the log. */
  readonly log: (line: string) => void;
  /** Milliseconds of a clock that only goes forward. */
  readonly clock: () => number;
  /** Called after the kernel has taken a change of the members. */
  readonly changed?: (changes: readonly MemberChange[]) => void;
  /** Resolves when others have had their turn, between two parts of what takes long; default: at once. */
  readonly turn?: () => Promise<void>;
  /** Runs what nobody waits for, when others have had their turn; default: at once. */
  readonly defer?: (work: () => void) => void;
  /** Called when no old connection of a service is kept any more. */
  readonly ended?: (service: string) => void;
  /** Called when the kernel holds what is in force, whatever has changed. */
  readonly committed?: () => void;
  /** Called when the kernel holds a deployment that may differ in more than who has which slots. */
  readonly deployed?: (deployment: Deployment) => void;
}

/** What is being done gives way to servers that have died meanwhile, and begins anew then. */
class Interruption extends Error {}

/** What an earlier run has left. */
export interface Heritage {
  /** Numbers of servers, so that marks of packets under way keep their meaning. */
  readonly numbers: ReadonlyMap<string, number>;
  readonly orders: Orders;
}

/**
 * Keeps the kernel as the configuration, the orders and the watchdogs want it. Every event, whatever it is, leads to the same
 * reconciliation: look at the router, compute what it should hold, and apply the difference. Reconciliations do not overlap;
 * those asked for meanwhile become one.
 */
export class Controller {
  readonly #options: ControllerOptions;
  readonly #router: Router;
  #configuration: Configuration | undefined;
  #text = '';
  #orders: Orders;
  readonly #sight: Sight;
  readonly #loaded: LoadedDeployment;
  readonly #samples: ConnectionSamples;
  readonly #tracked: TrackedConnections;
  readonly #records: Records;
  #fleet: Fleet = new Map();
  #deployment: Deployment | undefined;
  #numbers: ReadonlyMap<string, number>;
  readonly #ghosts = new FollowedGhosts();
  readonly #planner: FleetPlanner;
  #shape: Shape | undefined;
  #complaints: ReadonlySet<string> = new Set();
  readonly #turns = new Turns(() => this.#bring());
  /** Number of reconciliations that were asked for, and of them those before somebody has looked for the dead. */
  #asked = 0;
  #heard = 0;
  /** What is being done can begin anew at any place where it asks. */
  #isInterruptible = false;
  #configured: Promise<unknown> = Promise.resolve();
  /** What is in force has not been written down yet, which is to come soon. */
  #isRemembering = false;
  #stopped = false;

  constructor(options: ControllerOptions, heritage: Heritage) {
    this.#options = options;
    this.#router = options.router;
    this.#sight = new Sight(() => options.router.observe());
    this.#loaded = new LoadedDeployment(options.router);
    this.#samples = new ConnectionSamples(() => options.router.counters());
    this.#tracked = new TrackedConnections(options.router, options.log, options.clock);
    this.#planner = new FleetPlanner(options, this.#tracked);
    this.#records = new Records(options.router);
    this.#numbers = heritage.numbers;
    this.#orders = heritage.orders;
  }

  /** Text of the configuration in force. */
  get text(): string {
    return this.#text;
  }

  get configuration(): Configuration | undefined {
    return this.#configuration;
  }

  get orders(): Orders {
    return this.#orders;
  }

  /** Services as they are in force. */
  get fleet(): Fleet {
    return this.#fleet;
  }

  get numbers(): ReadonlyMap<string, number> {
    return this.#numbers;
  }

  /** What runs on this router now, but for changes under way. */
  get deployment(): Deployment | undefined {
    return this.#deployment;
  }

  /** What the kernel holds of ours. */
  get loaded(): Ruleset | undefined {
    return this.#loaded.ruleset;
  }

  /**
   * Takes a configuration. At the start bad sections are left out and the rest runs; later one with errors is refused as a
   * whole, so that a slip of the pen takes no running service away. False: refused. Throws where the kernel refuses. One is
   * taken after the other.
   */
  configure(text: string, file: string): Promise<boolean> {
    const taken = this.#configured.then(() => this.#configure(text, file));
    this.#configured = taken.catch(() => undefined);
    return taken;
  }

  async #configure(text: string, file: string): Promise<boolean> {
    const configuration = loadConfiguration(text, file);
    for (const problem of configuration.problems) this.#options.log(formatProblem(problem));
    const running = this.#configuration !== undefined;
    if (running && hasErrors(configuration.problems)) return false;
    const before = { configuration: this.#configuration, text: this.#text, orders: this.#orders };
    this.#configuration = configuration;
    this.#text = text;
    const retained = retainOrders(this.#orders, configuration.model);
    this.#orders = retained;
    try {
      this.lookAgain();
      await this.reconcile();
    } catch (error) {
      this.#configuration = before.configuration;
      this.#text = before.text;
      // Orders that came meanwhile count all the same.
      if (this.#orders === retained) this.#orders = before.orders;
      throw error;
    }
    // Whoever hears that a configuration has been taken finds it written down.
    this.#remember();
    this.#keepOrders(before.orders);
    return true;
  }

  /**
   * Takes orders: `change` makes the new ones of those in force. Resolves when the kernel holds what they want; rejects where
   * it does not take it, and then they are as they were.
   */
  async order(change: (orders: Orders) => Orders): Promise<void> {
    const before = this.#orders;
    const after = change(before);
    this.#orders = after;
    try {
      await this.reconcile();
    } catch (error) {
      if (this.#orders === after) this.#orders = before;
      throw error;
    }
    this.#keepOrders(before);
  }

  /** What a configuration would be on this router now, with the orders in force. Changes nothing. */
  async prospect(configuration: Configuration, allocate: Allocate): Promise<Activation> {
    const observation = await this.#router.observe();
    const model = followInterfaces(configuration.model, observation.environment);
    const orders = retainOrders(this.#orders, model);
    const { services, tablesOf } = await this.#planner.prospect(model, orders, allocate);
    return activate({ ...configuration, model: { ...model, services } }, observation, this.#numbers, tablesOf);
  }

  /** Something about the router is not as it was: the next reconciliation looks at it again. */
  lookAgain(): void {
    this.#sight.lookAgain();
  }

  /** Somebody else has touched our tables: what they hold is not known any more. */
  distrust(): void {
    this.#loaded.distrust();
    this.lookAgain();
  }

  /** Resolves when the kernel holds what is wanted as of now; rejects with the reason where it does not take it. */
  reconcile(): Promise<void> {
    this.#asked++;
    return this.#turns.take();
  }

  /** Has packets leave bridges by the ports that are right now: a part of `reconcile`, which need not look at anything else. */
  reroute(): Promise<void> {
    if (this.#turns.running) return this.reconcile();
    return this.#turns.begin(() => this.#reroute().catch(() => this.#bring()));
  }

  /**
   * Has the shares of new connections follow the loads, `elapsed` milliseconds after the last ones; the first source that knows
   * those of all servers of a service counts. Nothing else of what is in force changes, and nobody is told. While something
   * changes, nothing follows. Throws where the kernel does not take it.
   */
  level(sources: readonly LoadSource[], elapsed: number): void {
    const shape = this.#shape;
    if (this.#stopped || this.#turns.running || !shape || !this.#loaded.ruleset) return;
    const fleet = this.#planner.leveled(this.#fleet, sources, elapsed);
    const { deployment: before } = shape;
    const deployment = redistribute(before, tablesIn(fleet), transitionIn(fleet));
    if (isSameDistribution(before, deployment)) return;
    this.#loaded.redistribute(before, deployment);
    this.#fleet = fleet;
    this.#deployment = deployment;
    this.#shape = { ...shape, deployment };
  }

  /** Clock, in milliseconds, when time alone changes something: an order runs out, a transition ends; `Infinity` = never. */
  nextTurn(): number {
    const now = this.#options.clock();
    const isLeaving = [...this.#fleet.values()].some(({ members }) => members.some(isGone));
    return Math.min(
      nextExpiry(this.#orders, now),
      this.#samples.next(this.#fleet),
      isLeaving ? now : Infinity,
      this.#tracked.next(this.#fleet),
    );
  }

  /** Does nothing more; resolves when what was under way has ended, at its next step. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.allSettled([this.#turns.end(), this.#configured]);
  }

  /** Throws where the controller has been stopped: what takes long asks now and then. */
  goOn(): void {
    if (this.#stopped) throw new Error('stopped');
  }

  /** The same for parts of a reconciliation, which throws as well where it has to begin anew since a server has died meanwhile. */
  giveWay(): void {
    this.goOn();
    if (!this.#isInterruptible || this.#asked === this.#heard) return;
    this.#heard = this.#asked;
    if (this.#planner.deaths(this.#fleet, this.#orders).size > 0) throw new Interruption();
  }

  /** The dead first, whose clients wait, in what is in force; then everything, and the dead again whenever there are new ones. */
  async #bring(): Promise<void> {
    for (;;) {
      try {
        this.#heard = this.#asked;
        await this.#relieve();
        this.#isInterruptible = true;
        return await this.#reconcile();
      } catch (error) {
        if (!(error instanceof Interruption)) throw error;
      } finally {
        this.#isInterruptible = false;
      }
    }
  }

  /** Gives the slots of servers that have died to others of their services, and leaves everything else as it is. */
  async #relieve(): Promise<void> {
    this.goOn();
    const before = this.#deployment;
    const deaths = this.#planner.deaths(this.#fleet, this.#orders);
    if (!before || !this.#loaded.ruleset || deaths.size === 0) return;
    const fleet = await this.#planner.relieved(this.#fleet, deaths, this.#options.clock());
    this.goOn();
    const deployment = redistribute(before, tablesIn(fleet), transitionIn(fleet));
    try {
      this.#loaded.redistribute(before, deployment);
    } catch (error) {
      if (this.#sight.seen && this.#shape) throw error;
      // The router is not as it was, and what follows looks at it, and has the dead among the rest.
      return;
    }
    if (this.#shape) this.#shape = { ...this.#shape, deployment };
    this.#commit(fleet, deployment);
  }

  async #reconcile(): Promise<void> {
    if (!this.#configuration) return;
    const configuration = await this.#follow(this.#configuration);
    this.giveWay();
    const now = this.#options.clock();
    this.#orders = expireOrders(this.#orders, now);
    const canKeep = this.#loaded.ruleset !== undefined;
    const sampled = canKeep ? this.#samples.take(this.#fleet, now) : this.#fleet;
    const inForce = { fleet: sampled, deployment: this.#deployment, canKeep };
    const fleet = await this.#planner.next(configuration.model, this.#orders, inForce, now);
    this.giveWay();
    const shape = this.#shape;
    const isSettled = shape && shape.observation === this.#sight.seen && isShapedLike(shape, configuration, fleet);
    // Slots first: the clients of a server that has died wait for these.
    if (isSettled) await this.#redistribute(shape, fleet);
    const isRerouted = await this.#reroute().then(
      () => true,
      () => false,
    );
    // The bridge itself may be gone, say: looking at everything again tells what is wrong, or puts it right.
    if (!isRerouted) this.lookAgain();
    if (!isSettled || !isRerouted) await this.#establish(configuration, fleet);
    this.#rememberSoon();
  }

  /**
   * Ways out that are not right any more are left at once, for the bridge's own; new ones are taken when the neighbour entries on
   * the ports are there. What leads to the servers stays as it is, changes under way included.
   */
  async #reroute(): Promise<void> {
    this.goOn();
    const shape = this.#shape;
    if (!shape || !this.#loaded.ruleset) return;
    const before = shape.deployment;
    const after = leavingBy(before, this.#router.egresses());
    if (after === before) return;
    const leaveBy = (deployment: Deployment): void => {
      this.#loaded.leaveBy(deployment);
      this.#deployment = deployment;
      this.#shape = { ...shape, deployment };
    };
    let known = stillLeavingBy(before, after.egresses ?? new Map());
    if (known !== before) leaveBy(known);
    if ((known.egresses?.size ?? 0) < (after.egresses?.size ?? 0)) {
      for (const line of await this.#router.establish(wantedNetwork(after))) this.#options.log(line);
      this.goOn();
      known = stillLeavingBy(after, this.#router.egresses());
      leaveBy(known);
    }
    for (const line of await this.#router.prune(wantedNetwork(known))) this.#options.log(line);
    this.#rememberSoon();
  }

  /** Only who has which slots may have changed, and what of it is kept. */
  async #redistribute(shape: Shape, fleet: Fleet): Promise<void> {
    let before = shape.deployment;
    const deployment = redistribute(before, tablesIn(fleet), transitionIn(fleet));
    if (isSameDistribution(before, deployment) && this.#loaded.ruleset) return this.#commit(fleet, before);
    await this.#inStages(fleet, deployment, (stage) => {
      this.#loaded.redistribute(before, stage);
      this.#shape = { ...shape, deployment: stage };
      before = stage;
    });
  }

  /** Loads a deployment, stage by stage; what the kernel holds is in force each time, and servers that die come in between. */
  async #inStages(fleet: Fleet, deployment: Deployment, load: (stage: Deployment) => void): Promise<void> {
    const stages = this.#loaded.ruleset ? stagesOf(this.#deployment, deployment) : [deployment];
    for (const stage of stages) {
      load(stage);
      if (stage === deployment) return this.#commit(fleet, deployment);
      const reached = new Set(stage.services.filter((deployed) => deployment.services.includes(deployed)));
      const names = new Set([...reached].map(({ service }) => service.name));
      const squads = [...this.#fleet].map(
        ([name, squad]) => [name, names.has(name) ? (fleet.get(name) ?? squad) : squad] as const,
      );
      this.#commit(new Map(squads), stage);
      await this.#options.turn?.();
      this.giveWay();
    }
  }

  /** Everything may have changed. */
  async #establish(configuration: Configuration, fleet: Fleet): Promise<void> {
    this.#shape = undefined;
    const model = modelOf(configuration.model, fleet);
    const { observation, deployment, numbers, problems } = await this.#activate({ ...configuration, model }, fleet);
    this.#complain(problems.map(formatProblem));
    this.#numbers = numbers;

    const network = wantedNetwork(deployment);
    const made = await this.#router.establish(network);
    for (const line of made) this.#options.log(line);
    // Servers become neighbours by that: only now their MAC addresses are known, which the ruleset may ask for.
    if (made.length > 0) this.lookAgain();
    const seen = await this.#sight.look();
    const { hardware } = onlyServers(seen, model);
    const latest = leavingBy({ ...deployment, observation: { ...observation, hardware } }, this.#router.egresses());
    if (latest.egresses !== deployment.egresses)
      for (const line of await this.#router.establish(wantedNetwork(latest))) this.#options.log(line);
    this.giveWay();
    const known = stillLeavingBy(latest, this.#router.egresses());
    await this.#inStages(fleet, known, (stage) => {
      this.#loaded.establish(stage);
      if (stage === known) this.#options.deployed?.(known);
    });
    for (const line of await this.#router.prune(wantedNetwork(known))) this.#options.log(line);
    const inForce = [...fleet.values()].map(({ roster }) => roster);
    this.#shape = { configuration, rosters: inForce, observation: seen, deployment: known };
  }

  /** What the configuration is on the router as it is. Addresses that it chose are ones that nobody else was found to have. */
  async #activate(configuration: Configuration, fleet: Fleet): Promise<Activation & { observation: Observation }> {
    for (;;) {
      const seen = onlyServers(await this.#sight.look(), configuration.model);
      this.giveWay();
      const observation = { ...seen, egresses: this.#router.egresses() };
      const activation = activate(configuration, observation, this.#numbers, tablesIn(fleet), transitionIn(fleet));
      const contested = await this.#router.contest(claimsOf(activation.deployment));
      this.giveWay();
      if (!contested) return { ...activation, observation };
      this.lookAgain();
    }
  }

  /** The configuration with the addresses that interfaces have now, where a service follows one. */
  async #follow(configuration: Configuration): Promise<Configuration> {
    if (!isFollowing(configuration.model)) return configuration;
    return this.#ghosts.follow(configuration, (await this.#sight.look()).environment);
  }

  /** Writes down what is in force, once for all changes that come before there is time for it. */
  #rememberSoon(): void {
    const { defer } = this.#options;
    if (!defer) return this.#remember();
    if (this.#isRemembering) return;
    this.#isRemembering = true;
    const again = (): void => defer(remember);
    const remember = (): void => {
      // Who waits for the change that is being made does not wait for this, too.
      if (this.#turns.running) return void this.#turns.running.then(again, again);
      this.#isRemembering = false;
      if (!this.#stopped) this.#remember();
    };
    again();
  }

  #remember(): void {
    const [deployment, text, orders, numbers] = [this.#deployment, this.#text, this.#orders, this.#numbers];
    if (deployment) this.#records.remember({ text, orders, numbers, fleet: this.#fleet, deployment });
  }

  #commit(fleet: Fleet, deployment: Deployment): void {
    const changes: MemberChange[] = [];
    for (const [name, { members }] of fleet) {
      const before = this.#fleet.get(name);
      if (before) changes.push(...memberChanges(name, before.members, members));
    }
    const now = this.#options.clock();
    const begins = [...fleet].some(([name, { transition }]) => transition && !this.#fleet.get(name)?.transition);
    if (begins) this.#samples.begin(now);
    const ended = [...this.#fleet].filter(([name, { transition }]) => transition && !fleet.get(name)?.transition);
    const lost = lostServers(this.#fleet, fleet);
    this.#fleet = fleet;
    // A server that is out of the service has left its flows behind.
    const flowsOf = (service: string, server: string) =>
      flowsTo(this.#deployment, service, server) ?? flowsTo(deployment, service, server);
    this.#tracked.forget(lost, flowsOf);
    this.#records.failures(fleet);
    this.#deployment = deployment;
    this.#options.committed?.();
    if (changes.length > 0) this.#options.changed?.(changes);
    for (const [name] of ended) this.#options.ended?.(name);
  }

  #keepOrders(before: Orders): void {
    if (before !== this.#orders) this.#records.orders(this.#orders);
  }

  /** Each complaint once, until it has gone and come back. */
  #complain(lines: readonly string[]): void {
    for (const line of lines) if (!this.#complaints.has(line)) this.#options.log(line);
    this.#complaints = new Set(lines);
  }
}

/** A server on its way out that keeps nothing any more: it goes with the next reconciliation. */
function isGone({ provenance, state }: Member): boolean {
  return provenance === 'removing' && state !== 'draining';
}
