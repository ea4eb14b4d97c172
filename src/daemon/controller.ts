import { formatProblem, hasErrors } from '../config/report.ts';
import { loadConfiguration } from '../config/validate.ts';
import type { Configuration } from '../config/validate.ts';
import type { Model, Service } from '../config/model.ts';
import { activate } from '../deployment/activate.ts';
import type { Observation, SlotTables } from '../deployment/deployment.ts';
import { formatSnapshot } from '../deployment/snapshot.ts';
import { wantedNetwork } from '../network/wanted.ts';
import { diffRulesets, replaceRuleset, transaction } from '../plan/ruleset-diff.ts';
import type { RulesetChange } from '../plan/ruleset-diff.ts';
import { buildRuleset } from '../ruleset/build.ts';
import type { Ruleset } from '../ruleset/ruleset.ts';
import type { Router } from './router.ts';

export interface ControllerOptions {
  readonly router: Router;
  /** One line for the log. */
  readonly log: (line: string) => void;
  /** Slot tables of a service; computed in slices between events. */
  readonly allocate: (service: Service) => Promise<SlotTables>;
}

/**
 * Keeps the kernel as the configuration wants it. Every event, whatever it is, leads to the same reconciliation: look at the
 * router, compute what it should hold, and apply the difference. Reconciliations do not overlap; those asked for meanwhile
 * become one.
 */
export class Controller {
  readonly #router: Router;
  readonly #log: (line: string) => void;
  readonly #allocate: ControllerOptions['allocate'];
  #configuration: Configuration | undefined;
  #text = '';
  /** What the kernel holds of ours; `undefined` = not known, so that the next load replaces it. */
  #loaded: Ruleset | undefined;
  #numbers: ReadonlyMap<string, number>;
  #remembered = '';
  #complaints: ReadonlySet<string> = new Set();
  #running: Promise<void> | undefined;
  #again: Promise<void> | undefined;
  #configured: Promise<unknown> = Promise.resolve();
  #stopped = false;

  /** `numbers`: those of an earlier run, so that marks of packets under way keep their meaning. */
  constructor(options: ControllerOptions, numbers: ReadonlyMap<string, number>) {
    this.#router = options.router;
    this.#log = options.log;
    this.#allocate = options.allocate;
    this.#numbers = numbers;
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
    for (const problem of configuration.problems) this.#log(formatProblem(problem));
    const running = this.#configuration !== undefined;
    if (running && hasErrors(configuration.problems)) return false;
    const before = { configuration: this.#configuration, text: this.#text };
    this.#configuration = configuration;
    this.#text = text;
    try {
      await this.reconcile();
    } catch (error) {
      this.#configuration = before.configuration;
      this.#text = before.text;
      throw error;
    }
    return true;
  }

  /** Somebody else has touched our tables: what they hold is not known any more. */
  distrust(): void {
    this.#loaded = undefined;
  }

  /** Resolves when the kernel holds what is wanted as of now; rejects with the reason where it does not take it. */
  async reconcile(): Promise<void> {
    if (!this.#running) {
      this.#running = this.#reconcile().finally(() => (this.#running = undefined));
      return this.#running;
    }
    const next = (): Promise<void> => {
      this.#again = undefined;
      return this.reconcile();
    };
    this.#again ??= this.#running.then(next, next);
    return this.#again;
  }

  /** Does nothing more; resolves when what was under way has ended, at its next step. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.allSettled([this.#running, this.#again, this.#configured]);
  }

  /** Throws where the controller has been stopped: what takes long asks now and then. */
  goOn(): void {
    if (this.#stopped) throw new Error('stopped');
  }

  async #reconcile(): Promise<void> {
    this.goOn();
    if (!this.#configuration) return;
    const { model } = this.#configuration;
    const observation = onlyServers(await this.#router.observe(), model);
    const tables = new Map<string, SlotTables>();
    for (const service of model.services) tables.set(service.name, await this.#allocate(service));
    this.goOn();
    const tablesOf = ({ name }: Service) => tables.get(name) ?? {};
    const { deployment, numbers, problems } = activate(this.#configuration, observation, this.#numbers, tablesOf);
    this.#complain(problems.map(formatProblem));
    this.#numbers = numbers;

    const network = wantedNetwork(deployment);
    const made = await this.#router.establish(network);
    for (const line of made) this.#log(line);
    // Servers become neighbours by that: only now their MAC addresses are known, which the ruleset may ask for.
    const { hardware } = made.length === 0 ? observation : onlyServers(await this.#router.observe(), model);
    const known = { ...observation, hardware };
    this.goOn();
    this.#load(buildRuleset({ ...deployment, observation: known }));
    for (const line of await this.#router.prune(network)) this.#log(line);

    const snapshot = formatSnapshot({ configuration: this.#text, numbers: this.#numbers, observation: known });
    if (snapshot === this.#remembered) return;
    this.#router.remember(snapshot);
    this.#remembered = snapshot;
  }

  #load(ruleset: Ruleset): void {
    const known = this.#loaded;
    const change = known ? textOf(diffRulesets(known, ruleset)) : textOf(replaceRuleset(ruleset));
    if (change !== '') {
      try {
        this.#router.load(change);
      } catch (error) {
        if (!known) throw error;
        // The kernel takes chains away with their device, so what is loaded may be less than we think; a whole load tells.
        this.#router.load(textOf(replaceRuleset(ruleset)));
      }
    }
    this.#loaded = ruleset;
  }

  /** Each complaint once, until it has gone and come back. */
  #complain(lines: readonly string[]): void {
    for (const line of lines) if (!this.#complaints.has(line)) this.#log(line);
    this.#complaints = new Set(lines);
  }
}

/** The transaction alone, so that its parts need not be in memory beside it while it is loaded; empty where nothing changes. */
function textOf({ commands }: RulesetChange): string {
  return commands.length > 0 ? transaction(commands) : '';
}

/** Of the neighbours only the servers matter; the others come and go all day. */
function onlyServers(observation: Observation, { services }: Model): Observation {
  const addresses = services.flatMap(({ servers }) => servers.flatMap(({ address, address6 }) => [address, address6]));
  const hardware = new Map(
    addresses.flatMap((address) => {
      const found = address && observation.hardware.get(address.text);
      return found === undefined ? [] : [[address?.text ?? '', found] as const];
    }),
  );
  return { ...observation, hardware };
}
