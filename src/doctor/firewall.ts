import type { Address, Family } from '../net/address.ts';
import { parsePrefix, prefixHolds } from '../net/address.ts';

// What becomes of a packet in somebody else's ruleset, as far as that can be said. Rules may ask for what we do not know (sets,
// marks, limits, extensions of iptables), so that every question has three answers, and only what drops the packet whatever
// the unknown may be counts as dropped.

/** A packet on its way through the hooks; of the other end's address and port nothing is known. */
export interface Packet {
  readonly family: Family;
  readonly protocol: 'tcp' | 'udp';
  readonly incoming: string;
  /** Device by which it leaves; absent where it is for this machine. */
  readonly outgoing?: string;
  readonly source?: Address;
  readonly destination?: Address;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** Firewall mark. */
  readonly mark: number;
  /** What connection tracking says of it. */
  readonly state: 'new' | 'untracked' | 'invalid';
}

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

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
type JsonObject = { readonly [name: string]: Json };
/** Yes, no, or nobody knows. */
type Known = boolean | undefined;
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
    const { nftables } = objectOf(parse(listing));
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

function and(one: Known, other: Known): Known {
  if (one === false || other === false) return false;
  return one === undefined || other === undefined ? undefined : true;
}

function matches({ op, left, right }: JsonObject, packet: Packet): Known {
  const value = valueOf(left ?? null, packet);
  if (value === undefined) return undefined;
  if (value === 'other') return false;
  const inside = holds(right ?? null, value);
  switch (op) {
    case '==':
    case 'in':
      return inside;
    case '!=':
      return inside === undefined ? undefined : !inside;
    default:
      return undefined;
  }
}

type Value = number | string | Address;

/** What a packet has at a place; `other` where it has no such place, `undefined` where that is not known. */
function valueOf(left: Json, packet: Packet): Value | 'other' | undefined {
  const { meta, ct, payload, '&': masked } = objectOf(left);
  if (masked !== undefined) {
    const [inner = null, mask] = listOf(masked);
    const value = valueOf(inner, packet);
    return typeof value === 'number' && typeof mask === 'number' ? (value & mask) >>> 0 : undefined;
  }
  if (ct !== undefined) return objectOf(ct)['key'] === 'state' ? packet.state : undefined;
  if (meta !== undefined) return metaOf(textOf(objectOf(meta)['key']), packet);
  if (payload !== undefined) return payloadOf(objectOf(payload), packet);
  return undefined;
}

const PROTOCOL_NUMBER = { tcp: 6, udp: 17 } as const;

function metaOf(key: string, packet: Packet): Value | undefined {
  switch (key) {
    case 'iifname':
    case 'iif':
      return packet.incoming;
    case 'oifname':
    case 'oif':
      return packet.outgoing;
    case 'l4proto':
      return packet.protocol;
    case 'nfproto':
      return packet.family === 4 ? 'ipv4' : 'ipv6';
    case 'protocol':
      return packet.family === 4 ? 'ip' : 'ip6';
    case 'mark':
      return packet.mark;
    default:
      return undefined;
  }
}

function payloadOf({ protocol, field }: JsonObject, packet: Packet): Value | 'other' | undefined {
  switch (protocol) {
    case 'ip':
    case 'ip6':
      if (protocol !== (packet.family === 4 ? 'ip' : 'ip6')) return 'other';
      if (field === 'protocol' || field === 'nexthdr') return packet.protocol;
      if (field === 'saddr') return packet.source;
      return field === 'daddr' ? packet.destination : undefined;
    case 'tcp':
    case 'udp':
    case 'th':
      if (protocol !== 'th' && protocol !== packet.protocol) return 'other';
      if (field === 'sport') return packet.sourcePort;
      return field === 'dport' ? packet.destinationPort : undefined;
    case 'icmp':
    case 'icmpv6':
      return 'other';
    default:
      return undefined;
  }
}

/** True where what is looked for holds the value. */
function holds(wanted: Json, value: Value): Known {
  if (Array.isArray(wanted)) return anyOf(wanted, value);
  if (typeof wanted === 'object' && wanted !== null) {
    const { set, range, prefix } = wanted as JsonObject;
    if (set !== undefined) return anyOf(listOf(set), value);
    if (range !== undefined) return inRange(listOf(range), value);
    if (prefix !== undefined) return inPrefix(objectOf(prefix), value);
    return undefined;
  }
  if (typeof wanted === 'string' && wanted.startsWith('@')) return undefined;
  if (typeof value === 'object') return textOf(wanted) === value.text;
  if (typeof value === 'string') {
    if (value in PROTOCOL_NUMBER && wanted === PROTOCOL_NUMBER[value as keyof typeof PROTOCOL_NUMBER]) return true;
    const pattern = textOf(wanted);
    return pattern.endsWith('*') ? value.startsWith(pattern.slice(0, -1)) : value === pattern;
  }
  return typeof wanted === 'number' ? wanted === value : undefined;
}

function anyOf(wanted: readonly Json[], value: Value): Known {
  const answers = wanted.map((each) => holds(each, value));
  return answers.includes(true) ? true : answers.includes(undefined) ? undefined : false;
}

function inRange([first = null, last = null]: readonly Json[], value: Value): Known {
  if (typeof value !== 'number' || typeof first !== 'number' || typeof last !== 'number') return undefined;
  return first <= value && value <= last;
}

/** Of addresses, and of marks: nft writes `meta mark & 0xffff0000 == …` so. */
function inPrefix({ addr, len }: JsonObject, value: Value): Known {
  if (typeof len !== 'number') return undefined;
  if (typeof value === 'number' && typeof addr === 'number') return value >>> (32 - len) === addr >>> (32 - len);
  const prefix = typeof addr === 'string' ? parsePrefix(`${addr}/${len}`) : undefined;
  return prefix && typeof value === 'object' ? prefixHolds(prefix, value) : undefined;
}

/** What a verdict map says of a packet; `nothing` where it has no such element. */
function lookUp({ key, data }: JsonObject, packet: Packet): JsonObject | 'nothing' | 'unknown' {
  const value = valueOf(key ?? null, packet);
  if (value === undefined) return 'unknown';
  if (value === 'other') return 'nothing';
  const { set } = objectOf(data ?? null);
  if (set === undefined) return 'unknown';
  for (const element of listOf(set)) {
    const [wanted = null, verdict = null] = listOf(element);
    const isHit = holds(wanted, value);
    if (isHit === undefined) return 'unknown';
    if (isHit) return objectOf(verdict);
  }
  return 'nothing';
}

function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return null;
  }
}

function objectOf(value: Json | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

/** Where nft has one element only, it leaves the brackets out. */
function listOf(value: Json | undefined): readonly Json[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? (value as readonly Json[]) : [value];
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}
