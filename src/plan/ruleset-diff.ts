import type { Json } from '../ruleset/expression.ts';
import { TABLE } from '../ruleset/ruleset.ts';
import type { Chain, Rule, Ruleset, SetObject, Table } from '../ruleset/ruleset.ts';
import { diffSlotMap } from './slot-diff.ts';

/** What turns one ruleset into another: libnftables commands in order, and the same for people. */
export interface RulesetChange {
  /** Commands as JSON texts; empty = nothing to do. */
  readonly commands: readonly string[];
  /** One line for each object that changes, `+`, `~` or `-` first. */
  readonly summary: readonly string[];
}

/** Families of the tables that we may have. */
export const FAMILIES: readonly Table['family'][] = ['inet', 'ip', 'ip6', 'netdev'];

/**
 * The smallest change from `before` to `after`; `before` must be what the kernel holds. A table that it does not hold as we
 * know it, or whose sets change their kind, is replaced as a whole: in the same transaction, so that no packet sees a gap.
 */
export function diffRulesets(before: Ruleset, after: Ruleset): RulesetChange {
  const parts = FAMILIES.map((family) => {
    const old = before.tables.find((table) => table.family === family);
    const wanted = after.tables.find((table) => table.family === family);
    if (!wanted) return old ? removeTable(old) : nothing();
    if (!old || isRedefined(old, wanted)) return replaceTable(wanted);
    return diffTables(old, wanted);
  });
  return { commands: parts.flatMap(({ commands }) => commands), summary: parts.flatMap(({ summary }) => summary) };
}

/** Loads the ruleset whatever the kernel holds in its place: after a crash, or when somebody else has changed it. */
export function replaceRuleset(after: Ruleset): RulesetChange {
  return diffRulesets({ tables: [] }, after);
}

/** Removes our tables of the families whether they are there or not. */
export function removeRuleset(families: readonly Table['family'][] = FAMILIES): RulesetChange {
  const parts = families.map((family) => removeTable({ family }));
  return { commands: parts.flatMap(({ commands }) => commands), summary: parts.flatMap(({ summary }) => summary) };
}

/** The commands as one libnftables transaction. */
export function transaction(commands: readonly string[]): string {
  return `{"nftables":[${commands.join(',')}]}`;
}

function nothing(): RulesetChange {
  return { commands: [], summary: [] };
}

function removeTable({ family }: Pick<Table, 'family'>): RulesetChange {
  // Adding first makes the deletion succeed where the table is gone already.
  const table = { family, name: TABLE };
  return {
    commands: [command('add', { table }), command('delete', { table })],
    summary: [`- table ${family} ${TABLE}`],
  };
}

function replaceTable(table: Table): RulesetChange {
  const empty: Table = { family: table.family, chains: [], sets: [], slotMaps: [], counters: [] };
  const { commands, summary } = diffTables(empty, table);
  const header = removeTable(table).commands;
  const added = command('add', { table: { family: table.family, name: TABLE } });
  return { commands: [...header, added, ...commands], summary: [`+ table ${table.family} ${TABLE}`, ...summary] };
}

function diffTables(before: Table, after: Table): RulesetChange {
  const { family } = after;
  const at = { family, table: TABLE };
  // Objects come before what names them and go after it: add, then elements and rules, then delete.
  const added: string[] = [];
  const changed: string[] = [];
  const removed: string[] = [];
  const summary: string[] = [];
  const note = (sign: '+' | '~' | '-', what: string) => summary.push(`${sign} ${family} ${what}`);

  for (const name of without(after.counters, before.counters)) added.push(command('add', { counter: { ...at, name } }));
  for (const name of without(before.counters, after.counters))
    removed.push(command('delete', { counter: { ...at, name } }));

  const oldChains = byName(before.chains);
  for (const chain of after.chains) {
    const old = oldChains.get(chain.name);
    if (old === chain) continue;
    const fresh = !old || !sameHook(old, chain);
    if (!fresh && sameRules(old, chain)) continue;
    note(old ? '~' : '+', `chain ${chain.name} (${rulesText(chain.rules.length + (chain.records?.length ?? 0))})`);
    if (old) changed.push(command('flush', { chain: { ...at, name: chain.name } }));
    if (old && fresh) changed.push(command('delete', { chain: { ...at, name: chain.name } }));
    if (fresh) (old ? changed : added).push(command('add', { chain: { ...at, name: chain.name, ...hookOf(chain) } }));
    for (const { purpose, statements } of chain.rules) {
      changed.push(
        command('add', { rule: { ...at, chain: chain.name, expr: statements, comment: `!oneip: ${purpose}` } }),
      );
    }
  }
  const gone = notIn(after.chains, before.chains);
  for (const { name } of gone) {
    note('-', `chain ${name}`);
    changed.push(command('flush', { chain: { ...at, name } }));
  }

  const oldSets = byName(before.sets);
  for (const set of after.sets) {
    const old = oldSets.get(set.name);
    if (old === set) continue;
    if (!old) added.push(command('add', { [kindOf(set)]: { ...at, name: set.name, ...definitionOf(set) } }));
    const oldElements = elementTexts(old);
    const newElements = elementTexts(set);
    const less = [...oldElements.values()].filter((text) => !newElements.has(text));
    const more = [...newElements.values()].filter((text) => !oldElements.has(text));
    if (less.length + more.length > 0)
      note(old ? '~' : '+', `${kindOf(set)} ${set.name} (+${more.length} −${less.length})`);
    else if (!old) note('+', `${kindOf(set)} ${set.name}`);
    if (old && old.emptied !== set.emptied) changed.push(command('flush', { set: { ...at, name: set.name } }));
    if (less.length > 0) changed.push(elements('delete', family, set.name, less.join(',')));
    if (more.length > 0) changed.push(elements('add', family, set.name, more.join(',')));
  }
  for (const set of notIn(after.sets, before.sets)) {
    note('-', `${kindOf(set)} ${set.name}`);
    removed.push(command('delete', { [kindOf(set)]: { ...at, name: set.name } }));
  }

  const oldMaps = byName(before.slotMaps);
  for (const map of after.slotMaps) {
    const old = oldMaps.get(map.name);
    if (!old) {
      const definition = { type: map.key ?? 'mark', map: 'verdict', size: map.slots.length };
      added.push(command('add', { map: { ...at, name: map.name, ...definition } }));
    }
    const moves = diffSlotMap(old, map);
    if (moves.summary !== '') note(old ? '~' : '+', `map ${map.name}: ${moves.summary}`);
    if (moves.less !== '') changed.push(elements('delete', family, map.name, moves.less));
    if (moves.more !== '') changed.push(elements('add', family, map.name, moves.more));
  }
  for (const { name } of notIn(after.slotMaps, before.slotMaps)) {
    note('-', `map ${name}`);
    removed.push(command('delete', { map: { ...at, name } }));
  }
  // Maps first: their verdicts hold on to chains.
  const deletedChains = gone.map(({ name }) => command('delete', { chain: { ...at, name } }));
  return { commands: [...added, ...changed, ...removed, ...deletedChains], summary };
}

function command(verb: 'add' | 'delete' | 'flush', object: Json): string {
  return JSON.stringify({ [verb]: object });
}

/** One element command; `texts` are JSON, with commas between them. */
function elements(verb: 'add' | 'delete', family: string, name: string, texts: string): string {
  const head = `"family":"${family}","table":"${TABLE}","name":${JSON.stringify(name)}`;
  return `{"${verb}":{"element":{${head},"elem":[${texts}]}}}`;
}

function elementTexts(set: SetObject | undefined): Set<string> {
  return new Set(set?.elements.map((element) => JSON.stringify(element)));
}

function kindOf(set: SetObject): 'map' | 'set' {
  return set.verdicts || set.marks ? 'map' : 'set';
}

function definitionOf({ key, verdicts, marks, size, interval, timeout }: SetObject): { readonly [key: string]: Json } {
  const flags = [...(interval ? ['interval'] : []), ...(timeout ? ['timeout'] : [])];
  const data = verdicts ? { map: 'verdict' } : marks ? { map: 'mark' } : {};
  return { type: key, ...data, ...(flags.length > 0 ? { flags } : {}), ...(size === undefined ? {} : { size }) };
}

/** True where a set is of another kind. */
function isRedefined(old: Table, wanted: Table): boolean {
  const known = byName(old.sets);
  return wanted.sets.some((set) => {
    const other = known.get(set.name);
    if (!other || other === set) return false;
    return JSON.stringify(definitionOf(other)) !== JSON.stringify(definitionOf(set));
  });
}

function hookOf({ hook }: Chain): { readonly [key: string]: Json } {
  if (!hook) return {};
  const { type, hook: point, priority, device } = hook;
  return { type, hook: point, prio: priority, policy: 'accept', ...(device === undefined ? {} : { dev: device }) };
}

/** A base chain on a device that came back under another number is another chain: the kernel took the old one away. */
function sameHook(a: Chain, b: Chain): boolean {
  return JSON.stringify(hookOf(a)) === JSON.stringify(hookOf(b)) && (!b.hook || sameBinding(a, b));
}

function sameBinding(a: Chain, b: Chain): boolean {
  return JSON.stringify(a.bound ?? {}) === JSON.stringify(b.bound ?? {});
}

function sameRules(a: Chain, b: Chain): boolean {
  const same = (x: Rule, y: Rule | undefined) => JSON.stringify(x) === JSON.stringify(y);
  return (
    sameBinding(a, b) &&
    JSON.stringify(a.records) === JSON.stringify(b.records) &&
    a.rules.length === b.rules.length &&
    a.rules.every((rule, index) => same(rule, b.rules[index]))
  );
}

function byName<T extends { readonly name: string }>(list: readonly T[]): Map<string, T> {
  return new Map(list.map((entry) => [entry.name, entry]));
}

/** Those of a list that are not in another one by their names. */
function notIn<T extends { readonly name: string }>(others: readonly T[], list: readonly T[]): T[] {
  const known = new Set(others.map(({ name }) => name));
  return list.filter(({ name }) => !known.has(name));
}

function without(list: readonly string[], other: readonly string[]): string[] {
  const known = new Set(other);
  return list.filter((entry) => !known.has(entry));
}

function rulesText(count: number): string {
  return count === 1 ? '1 rule' : `${count} rules`;
}
