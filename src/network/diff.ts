import {
  type AddressEntry,
  BEFORE_LOCAL,
  type NeighbourEntry,
  type NetworkState,
  type RouteEntry,
  type RuleEntry,
  type SysctlEntry,
  addressKey,
  neighbourKey,
  neighbourPlace,
  routeKey,
  routeTarget,
  ruleKey,
} from './state.ts';
import type { Family } from '../net/address.ts';

/** One change of the network outside nftables. */
export type NetworkChange =
  | {
      readonly kind: 'sysctl';
      readonly action: 'set' | 'restore';
      readonly key: string;
      readonly value: string;
      readonly before: string;
    }
  | { readonly kind: 'route'; readonly action: 'add' | 'replace' | 'delete'; readonly entry: RouteEntry }
  | { readonly kind: 'rule'; readonly action: 'add' | 'delete'; readonly entry: RuleEntry }
  /** The kernel's `from all lookup local` is put behind the rules of priority `BEFORE_LOCAL`. */
  | { readonly kind: 'local-rule'; readonly family: Family }
  | { readonly kind: 'neighbour'; readonly action: 'add' | 'delete'; readonly entry: NeighbourEntry }
  | { readonly kind: 'address'; readonly action: 'add' | 'delete'; readonly entry: AddressEntry };

/** True for what takes away or puts back, which has to wait until no packet needs it; false for what makes or alters. */
export function isRemoval(change: NetworkChange): boolean {
  return change.kind !== 'local-rule' && (change.action === 'delete' || change.action === 'restore');
}

/**
 * What leads from one state to the other, in an order in which no packet meets a half: what is new is made before what
 * leads to it (sysctls and neighbours, routes, rules, then addresses); then what is old is taken away, the other way round.
 * Sysctls in `originals` that are wanted no more get that value back. Pure.
 */
export function diffNetworkState(
  current: NetworkState,
  wanted: NetworkState,
  originals: readonly SysctlEntry[] = [],
): NetworkChange[] {
  const routes = { have: byKey(current.routes, routeKey), want: byKey(wanted.routes, routeKey) };
  const rules = { have: byKey(current.rules, ruleKey), want: byKey(wanted.rules, ruleKey) };
  const neighbours = { have: byKey(current.neighbours, neighbourKey), want: byKey(wanted.neighbours, neighbourKey) };
  const addresses = {
    have: byKey(current.addresses ?? [], addressKey),
    want: byKey(wanted.addresses ?? [], addressKey),
  };
  // What is added takes the place of what was there, and is not to be deleted for it.
  const places = new Set(wanted.neighbours.map(neighbourPlace));
  const kept = new Set(wanted.sysctls.map(({ key }) => key));
  const unwanted = originals.filter(({ key }) => !kept.has(key));
  const addedRules = missing(rules.want, rules.have);
  return [
    ...sysctlChanges('set', current.sysctls, wanted.sysctls),
    ...missing(neighbours.want, neighbours.have).map((entry) => neighbourChange('add', entry)),
    ...routeChanges(routes.have, routes.want),
    ...addedRules.map((entry): NetworkChange => ({ kind: 'rule', action: 'add', entry })),
    ...localRuleChanges(rules.have, rules.want, addedRules),
    ...missing(addresses.want, addresses.have).map((entry) => addressChange('add', entry)),
    ...missing(addresses.have, addresses.want).map((entry) => addressChange('delete', entry)),
    ...missing(rules.have, rules.want).map((entry): NetworkChange => ({ kind: 'rule', action: 'delete', entry })),
    ...missing(routes.have, routes.want).map((entry): NetworkChange => ({ kind: 'route', action: 'delete', entry })),
    ...missing(neighbours.have, neighbours.want)
      .filter((entry) => !places.has(neighbourPlace(entry)))
      .map((entry) => neighbourChange('delete', entry)),
    ...sysctlChanges('restore', current.sysctls, unwanted),
  ];
}

function byKey<T>(entries: readonly T[], keyOf: (entry: T) => string): Map<string, T> {
  return new Map(entries.map((entry) => [keyOf(entry), entry]));
}

/** The entries of the first map that the second lacks. */
function missing<T>(from: ReadonlyMap<string, T>, than: ReadonlyMap<string, T>): T[] {
  return [...from].filter(([key]) => !than.has(key)).map(([, entry]) => entry);
}

function neighbourChange(action: 'add' | 'delete', entry: NeighbourEntry): NetworkChange {
  return { kind: 'neighbour', action, entry };
}

function addressChange(action: 'add' | 'delete', entry: AddressEntry): NetworkChange {
  return { kind: 'address', action, entry };
}

function sysctlChanges(
  action: 'set' | 'restore',
  current: readonly SysctlEntry[],
  target: readonly SysctlEntry[],
): NetworkChange[] {
  const have = new Map(current.map(({ key, value }) => [key, value]));
  return target.flatMap(({ key, value }): NetworkChange[] => {
    const before = have.get(key);
    // A key that could not be read belongs to a device that is not there.
    return before === undefined || before === value ? [] : [{ kind: 'sysctl', action, key, value, before }];
  });
}

function routeChanges(have: ReadonlyMap<string, RouteEntry>, want: ReadonlyMap<string, RouteEntry>): NetworkChange[] {
  return [...want].flatMap(([key, entry]): NetworkChange[] => {
    const old = have.get(key);
    if (!old) return [{ kind: 'route', action: 'add', entry }];
    return routeTarget(old) === routeTarget(entry) ? [] : [{ kind: 'route', action: 'replace', entry }];
  });
}

/** One for each family in which a rule that must stand before `local` does not yet; however many rules that are. */
function localRuleChanges(
  have: ReadonlyMap<string, RuleEntry>,
  want: ReadonlyMap<string, RuleEntry>,
  added: readonly RuleEntry[],
): NetworkChange[] {
  return ([4, 6] as const).flatMap((family): NetworkChange[] => {
    const isFirst = (rule: RuleEntry) => rule.family === family && rule.priority === BEFORE_LOCAL;
    const behind = [...want].some(([key, rule]) => isFirst(rule) && have.get(key)?.behindLocal === true);
    return behind || added.some(isFirst) ? [{ kind: 'local-rule', family }] : [];
  });
}
