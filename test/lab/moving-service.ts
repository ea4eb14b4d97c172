import { readFileSync } from 'node:fs';
import { endianness } from 'node:os';
import { join } from 'node:path';
import { slotOf } from '../../src/allocation/client-key.ts';
import type { Service } from '../../src/config/model.ts';
import { loadConfiguration } from '../../src/config/validate.ts';
import { deploy } from '../../src/deployment/deployment.ts';
import type { DeployedService, Deployment, SlotTables } from '../../src/deployment/deployment.ts';
import { slotTables } from '../../src/deployment/slot-tables.ts';
import { parseSnapshot } from '../../src/membership/snapshot.ts';
import { parseAddress } from '../../src/net/address.ts';
import { diffRulesets, transaction } from '../../src/plan/ruleset-diff.ts';
import { buildRuleset } from '../../src/ruleset/build.ts';
import type { Ruleset } from '../../src/ruleset/ruleset.ts';
import { keptCounter, resetCounter, silenceCounter } from '../../src/ruleset/transition.ts';
import { observe, step } from '../../src/transition/state.ts';
import type { TransitionState } from '../../src/transition/state.ts';
import type { Lab } from './lab.ts';
import type { Namespace } from './namespace.ts';
import { counters } from './scenario.ts';

/** What becomes of connections, where not as configured. */
export type Policy = Partial<Pick<Service, 'onChange' | 'onFailure' | 'drainTimeout' | 'idleTimeout' | 'learnTime'>>;

/**
 * A service whose slots are moved by a test, at times that the test makes up: what is wanted of the rules in the middle of a
 * change need not be waited for. The daemon has put the network in order and is gone.
 */
export class MovingService {
  readonly #router: Namespace;
  readonly #deployment: Deployment;
  readonly #name: string;
  #service: Service;
  #tables: SlotTables;
  #down = new Set<string>();
  #leaving = new Set<string>();
  #state: TransitionState | undefined;
  #loaded: Ruleset;
  #now = 0;

  private constructor(router: Namespace, name: string, deployment: Deployment, deployed: DeployedService) {
    this.#router = router;
    this.#deployment = deployment;
    this.#name = name;
    this.#service = deployed.service;
    this.#tables = deployed.tables;
    this.#loaded = buildRuleset(deployment);
  }

  /** Takes over from the daemon, which must be running, and ends. */
  static async takeOver({ daemon, router }: Lab, name: string): Promise<MovingService> {
    await daemon.crash();
    const snapshot = parseSnapshot(readFileSync(join(daemon.stateFolder, 'applied.json'), 'utf8'));
    if (!snapshot) throw new Error('the daemon has left no snapshot');
    const { model } = loadConfiguration(snapshot.configuration, 'lab');
    const deployment = deploy(model, snapshot.observation, snapshot.numbers, (service) => slotTables(service));
    const deployed = deployment.services.find(({ service }) => service.name === name);
    if (!deployed) throw new Error(`no service ${name}`);
    return new MovingService(router, name, deployment, deployed);
  }

  get isMoving(): boolean {
    return this.#state !== undefined;
  }

  /** Server that new connections of a client get, by the slot table. */
  owner(client: string): string {
    const address = parseAddress(client);
    if (!address) throw new Error(`'${client}' is no address`);
    const slot = slotOf({ client: address, protocol: 6 }, this.#service, endianness() === 'LE');
    return this.#service.servers[this.#tables[address.family]?.[slot] ?? -1]?.name ?? 'nobody';
  }

  /** Everybody up, nothing under way, and this policy. */
  async begin(policy: Policy = {}): Promise<void> {
    this.#service = { ...this.#service, ...policy };
    this.#state = undefined;
    this.#down.clear();
    this.#leaving.clear();
    this.#tables = slotTables(this.#service);
    await this.#load();
  }

  /** The server gets no new connections. */
  drain(server: string): Promise<void> {
    this.#leaving.add(server);
    return this.#move();
  }

  fail(server: string): Promise<void> {
    this.#down.add(server);
    return this.#move();
  }

  bringBack(server: string): Promise<void> {
    this.#leaving.delete(server);
    this.#down.delete(server);
    return this.#move();
  }

  /** Time goes on for the state machine, which looks at the kernel's counters then. */
  async later(time: number): Promise<void> {
    this.#now += time;
    if (!this.#state) return;
    const held = await counters(this.#router);
    const packets = (name: string) => BigInt(held.get(name)?.packets ?? 0);
    const kept = new Map(
      this.#service.servers.map(({ name }) => [name, packets(keptCounter(this.#name, name))] as const),
    );
    const reset = packets(resetCounter(this.#name));
    const silence = packets(silenceCounter(this.#name));
    this.#state = observe(this.#state, { kept, reset, silence }, this.#now);
    await this.#load();
  }

  async #move(): Promise<void> {
    const { servers } = this.#service;
    const tables = slotTables(this.#service, { down: this.#down, leaving: this.#leaving });
    this.#now += 1;
    this.#state = step(this.#state, {
      service: this.#service,
      before: { tables: this.#tables, servers },
      after: { tables, servers },
      alive: (server) => !this.#down.has(server),
      now: this.#now,
    });
    this.#tables = tables;
    await this.#load();
  }

  async #load(): Promise<void> {
    const transition = this.#state?.transition;
    const services = this.#deployment.services.map((deployed) =>
      deployed.service.name === this.#name
        ? { ...deployed, service: this.#service, tables: this.#tables, ...(transition ? { transition } : {}) }
        : deployed,
    );
    const ruleset = buildRuleset({ ...this.#deployment, services });
    const { commands } = diffRulesets(this.#loaded, ruleset);
    // nft opens its input by name, which no socket has.
    if (commands.length > 0) await this.#router.run(['sh', '-c', 'cat | nft -j -f -'], transaction(commands));
    this.#loaded = ruleset;
  }
}
