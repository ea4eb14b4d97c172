import type { Family } from '../net/address.ts';
import { type JsonObject, type Known, and, listOf, objectOf, parseJson, textOf } from './nft-json.ts';
import { type Packet, lookUp, matches } from './packet-match.ts';

// What becomes of a packet in somebody else's ruleset, as far as that can be said. Rules may ask for what we do not know (sets,
// marks, limits, extensions of iptables), so that every question has three answers, and only what drops the packet whatever
// the unknown may be counts as dropped.

/** Where a packet ends. */
export interface Drop {
  /** `inet`, `ip`, `ip6`. */
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  /** Of the rule; absent where it is the chain's policy. */
  readonly handle?: number;
  readonly comment?: string;
}

type Outcome =
  | { readonly verdict: 'accept' | 'unknown' | 'translate' }
  | { readonly verdict: 'drop'; readonly drop: Drop }
  | undefined;

interface Chain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook?: string;
  readonly priority: number;
  readonly policy: string;
  /** Of the hook `ingress`, where nft tells them. */
  readonly devices?: readonly string[];
}

interface Rule {
  readonly handle: number;
  readonly comment?: string;
  readonly expressions: readonly JsonObject[];
}

/** Bound of a walk: chains that jump to each other in a circle do not load, but a text that says so may be given. */
const DEEPEST = 16;

/** A ruleset as libnftables lists it. */
export class Firewall {
  readonly #chains = new Map<string, Chain>();
  readonly #rules = new Map<string, Rule[]>();
  /** `FAMILY NAME` of all tables. */
  readonly tables = new Set<string>();
  /** Names of flow tables, and whether the hardware forwards for them. */
  readonly flowtables: { readonly name: string; readonly hardware: boolean }[] = [];

  /** `listing` is the JSON of `list ruleset`; what has another form than it should is passed over. */
  constructor(listing: string) {
    const { nftables } = objectOf(parseJson(listing));
    for (const entry of listOf(nftables)) {
      const { table, chain, rule, flowtable } = objectOf(entry);
      if (table !== undefined)
        this.tables.add(`${textOf(objectOf(table)['family'])} ${textOf(objectOf(table)['name'])}`);
      if (chain !== undefined) this.#addChain(objectOf(chain));
      if (rule !== undefined) this.#addRule(objectOf(rule));
      if (flowtable !== undefined) {
        const { name, flags } = objectOf(flowtable);
        this.flowtables.push({ name: textOf(name), hardware: listOf(flags ?? null).includes('offload') });
      }
    }
  }

  /**
   * Where the packet is dropped in the chains of these hooks, in the kernel's order; `undefined` where it gets through, or may.
   * Tables of the names in `except` are left out.
   */
  drops(packet: Packet, hooks: readonly string[], except: readonly string[] = []): Drop | undefined {
    for (const hook of hooks) {
      for (const chain of this.#chainsAt(hook, packet.family, except)) {
        const outcome = this.#walk(chain, packet, 0);
        if (outcome?.verdict === 'drop') return outcome.drop;
        if (!outcome && chain.policy === 'drop') {
          const { family, table, name } = chain;
          return { family, table, chain: name };
        }
      }
    }
    return undefined;
  }

  /** True where a rule gives the packet, which comes in, another destination: who waits at the old one does not matter then. */
  translates(packet: Packet): boolean {
    return this.#chainsAt('prerouting', packet.family).some(
      (chain) => this.#walk(chain, packet, 0)?.verdict === 'translate',
    );
  }

  /** The same at the device where it comes in, before a chain of this priority sees it. Not every nft tells of which devices a chain is. */
  dropsBefore(packet: Packet, priority: number, except: readonly string[] = []): Drop | undefined {
    for (const chain of this.#chains.values()) {
      const isHere = chain.devices?.includes(packet.incoming) ?? true;
      if (chain.hook !== 'ingress' || chain.family !== 'netdev' || except.includes(chain.table) || !isHere) continue;
      const outcome = chain.priority < priority ? this.#walk(chain, packet, 0) : undefined;
      if (outcome?.verdict === 'drop') return outcome.drop;
    }
    return undefined;
  }

  /** Base chains in the order in which the kernel goes through them. */
  #chainsAt(hook: string, family: Family, except: readonly string[] = []): Chain[] {
    const families = family === 4 ? ['inet', 'ip'] : ['inet', 'ip6'];
    return [...this.#chains.values()]
      .filter((chain) => chain.hook === hook && families.includes(chain.family) && !except.includes(chain.table))
      .sort((a, b) => a.priority - b.priority);
  }

  #addChain(chain: JsonObject): void {
    const family = textOf(chain['family']);
    const table = textOf(chain['table']);
    const name = textOf(chain['name']);
    this.#chains.set(`${family} ${table} ${name}`, {
      family,
      table,
      name,
      ...(typeof chain['hook'] === 'string' && { hook: chain['hook'] }),
      priority: typeof chain['prio'] === 'number' ? chain['prio'] : 0,
      policy: textOf(chain['policy']),
      ...(chain['dev'] !== undefined && { devices: listOf(chain['dev']).map(textOf) }),
    });
  }

  #addRule(rule: JsonObject): void {
    const key = ['family', 'table', 'chain'].map((name) => textOf(rule[name])).join(' ');
    const rules = this.#rules.get(key) ?? [];
    rules.push({
      handle: typeof rule['handle'] === 'number' ? rule['handle'] : 0,
      ...(typeof rule['comment'] === 'string' && { comment: rule['comment'] }),
      expressions: listOf(rule['expr']).map(objectOf),
    });
    this.#rules.set(key, rules);
  }

  /** `undefined`: the packet comes out at the end. */
  #walk({ family, table, name }: Chain, packet: Packet, depth: number): Outcome {
    if (depth > DEEPEST) return { verdict: 'unknown' };
    for (const { handle, comment, expressions } of this.#rules.get(`${family} ${table} ${name}`) ?? []) {
      let applies: Known = true;
      for (const expression of expressions) {
        const [kind = '', content = null] = Object.entries(expression)[0] ?? [];
        const isMatch = kind === 'match' || kind === 'limit' || kind === 'xt';
        if (isMatch) applies = and(applies, kind === 'match' ? matches(objectOf(content), packet) : undefined);
        if (applies === false) break;
        const verdict = kind === 'vmap' ? lookUp(objectOf(content), packet) : expression;
        if (verdict === 'nothing') continue;
        const here = { family, table, chain: name, handle, ...(comment !== undefined && { comment }) };
        const outcome = verdict === 'unknown' ? verdict : this.#give(verdict, here, packet, depth);
        if (outcome === 'unknown') return { verdict: 'unknown' };
        if (outcome === 'continue') continue;
        if (outcome === 'return') {
          // Whether the rest of the chain is passed through is not known either.
          if (applies === undefined) return { verdict: 'unknown' };
          return undefined;
        }
        // What perhaps drops and perhaps goes on does not decide; what perhaps lets it through does.
        if (applies === undefined && outcome.verdict === 'drop') break;
        return applies === undefined ? { verdict: 'unknown' } : outcome;
      }
    }
    return undefined;
  }

  /** What a statement does to a packet that gets to it. */
  #give(
    verdict: JsonObject,
    here: Drop,
    packet: Packet,
    depth: number,
  ): 'continue' | 'return' | 'unknown' | NonNullable<Outcome> {
    const [kind = '', content = null] = Object.entries(verdict)[0] ?? [];
    switch (kind) {
      case 'drop':
      case 'reject':
        return { verdict: 'drop', drop: here };
      case 'accept':
        return { verdict: 'accept' };
      case 'dnat':
      case 'redirect':
        return { verdict: 'translate' };
      case 'return':
        return 'return';
      case 'jump':
      case 'goto': {
        const target = this.#chains.get(`${here.family} ${here.table} ${textOf(objectOf(content)['target'])}`);
        if (!target) return 'unknown';
        return this.#walk(target, packet, depth + 1) ?? (kind === 'jump' ? 'continue' : 'return');
      }
      // Whoever has changed the packet, or takes it elsewhere, knows better than we what becomes of it.
      case 'queue':
      case 'fwd':
      case 'tproxy':
      case 'synproxy':
        return 'unknown';
      case 'mangle': {
        const { meta, payload } = objectOf(objectOf(content)['key']);
        return meta === undefined && payload === undefined ? 'continue' : 'unknown';
      }
      default:
        return 'continue';
    }
  }
}

/** What nft does not tell of, given tables of iptables' older kind: a sentence without a full stop, or none. */
export function unseenTables(tables: readonly string[]): string[] {
  if (tables.length === 0) return [];
  const programs = [...new Set(tables.map((table) => (table.startsWith('ip6 ') ? 'ip6tables' : 'iptables')))];
  const commands = programs.map((program) => `${program}-legacy-save`).join(' and ');
  return [`what the rules of iptables-legacy do was not looked at (${tables.join(', ')}): ${commands} shows them`];
}

/** Advice beside such a command. */
export const UNTIL_LOADED = 'It holds until the firewall is loaded again: put the same into its own configuration.';

/** The command that lets a packet through before it is dropped there. `match` are nft's words for it. */
export function passCommand({ family, table, chain, handle }: Drop, match: string): string {
  const place = handle === undefined ? `add rule ${family} ${table} ${chain}` : '';
  const before = handle === undefined ? '' : `insert rule ${family} ${table} ${chain} position ${handle}`;
  return `nft ${place}${before} ${match} accept`;
}

/** A drop in a few words: `the rule 5 of chain 'forward' in table 'inet fw4'`. */
export function describeDrop({ family, table, chain, handle, comment }: Drop): string {
  const what = handle === undefined ? 'the policy' : `rule ${handle}${comment === undefined ? '' : ` (${comment})`}`;
  return `${what} of chain '${chain}' in table '${family} ${table}'`;
}
