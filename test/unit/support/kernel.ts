import type { SlotChange } from '../../../src/netlink/slot-elements.ts';

type Body = Record<string, unknown> & { family: string; name?: string; table?: string; chain?: string };

interface KernelTable {
  chains: Map<string, unknown[]>;
  /** Sets and maps, by name: elements as texts, by key. */
  sets: Map<string, Map<string, string>>;
  counters: Set<string>;
}

/**
 * As much of nf_tables as tells whether a transaction is sound: what is named exists, what is deleted is not in use, elements
 * are not added twice nor deleted where they are not.
 */
export class Kernel {
  readonly tables = new Map<string, KernelTable>();

  run(commands: readonly string[]): void {
    for (const text of commands) {
      const [verb = '', object = {}] =
        Object.entries(JSON.parse(text) as Record<string, Record<string, Body>>)[0] ?? [];
      const [kind = '', body] = Object.entries(object)[0] ?? [];
      if (!body) throw new Error(`nothing in ${text}`);
      this.#execute(verb, kind, body);
    }
  }

  /** Everything it holds, in an order that does not depend on how it came about. */
  state(): string {
    const sorted = <T>(map: ReadonlyMap<string, T>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
    return JSON.stringify(
      sorted(this.tables).map(([name, { chains, sets, counters }]) => [
        name,
        sorted(chains),
        sorted(sets).map(([set, elements]) => [set, sorted(elements)]),
        [...counters].sort(),
      ]),
    );
  }

  #execute(verb: string, kind: string, body: Body): void {
    if (kind === 'table') {
      const key = `${body.family} ${body.name}`;
      if (verb === 'delete') this.tables.delete(key);
      else if (!this.tables.has(key)) this.tables.set(key, { chains: new Map(), sets: new Map(), counters: new Set() });
      return;
    }
    const table = this.tables.get(`${body.family} ${body.table}`);
    if (!table) throw new Error(`${verb} ${kind}: no table ${body.family} ${body.table}`);
    const name = body.name ?? '';
    if (kind === 'chain') this.#chain(table, verb, name);
    else if (kind === 'rule') this.#rule(table, body);
    else if (kind === 'counter') {
      if (verb === 'delete') this.#unused(table, name, `"counter":"${name}"`);
      if (verb === 'add') table.counters.add(name);
      else if (!table.counters.delete(name)) throw new Error(`no counter ${name}`);
    } else if (kind === 'element') this.#elements(table, verb, name, body.elem as unknown[]);
    else if (verb === 'add') table.sets.set(name, new Map());
    else if (verb === 'flush') table.sets.get(name)?.clear();
    else {
      this.#unused(table, name, `"@${name}"`);
      if (!table.sets.delete(name)) throw new Error(`no set ${name}`);
    }
  }

  #chain(table: KernelTable, verb: string, name: string): void {
    if (verb === 'add') {
      if (!table.chains.has(name)) table.chains.set(name, []);
      return;
    }
    if (!table.chains.has(name)) throw new Error(`no chain ${name}`);
    if (verb === 'flush') table.chains.set(name, []);
    else {
      this.#unused(table, name, `"target":"${name}"`);
      if (table.chains.get(name)?.length) throw new Error(`chain ${name} still has rules`);
      table.chains.delete(name);
    }
  }

  #rule(table: KernelTable, body: Body): void {
    const rules = table.chains.get(body.chain ?? '');
    if (!rules) throw new Error(`no chain ${body.chain}`);
    const text = JSON.stringify(body.expr);
    if (text.includes('{"set":[]}')) throw new Error(`an empty set in a rule of ${body.chain}`);
    for (const [, target] of text.matchAll(/"target":"([^"]+)"/g)) this.#known(table.chains, target);
    for (const [, set] of text.matchAll(/"@([^"]+)"/g)) this.#known(table.sets, set);
    for (const [, counter] of text.matchAll(/"counter":"([^"]+)"/g)) {
      if (!table.counters.has(counter ?? '')) throw new Error(`no counter ${counter}`);
    }
    rules.push(body.expr);
  }

  #elements(table: KernelTable, verb: string, name: string, list: unknown[]): void {
    const set = table.sets.get(name);
    if (!set) throw new Error(`no set ${name}`);
    for (const element of list) {
      const text = JSON.stringify(element);
      const isMapElement = Array.isArray(element);
      const key = JSON.stringify(isMapElement ? element[0] : element);
      const target = /"target":"([^"]+)"/.exec(text)?.[1];
      if (verb === 'add') {
        if (set.has(key)) throw new Error(`${name} has ${key} already`);
        if (target !== undefined) this.#known(table.chains, target);
        set.set(key, text);
      } else if (set.get(key) !== text) throw new Error(`${name} has no ${text}`);
      else set.delete(key);
    }
  }

  #known(objects: ReadonlyMap<string, unknown>, name: string | undefined): void {
    if (!objects.has(name ?? '')) throw new Error(`nothing is called ${name}`);
  }

  #unused(table: KernelTable, name: string, reference: string): void {
    const uses = [
      ...table.chains.values(),
      ...[...table.sets.values()].map((set) => [...set.values()].map((text) => text)),
    ];
    if (uses.some((use) => JSON.stringify(use).replaceAll('\\"', '"').includes(reference)))
      throw new Error(`${name} is in use`);
  }
}

/** A batch of netlink messages in the words of libnftables. */
export function slotCommands(kernel: Kernel, { moves, emptied }: SlotChange): string[] {
  return [
    ...emptied.map(({ family, table, set: name }) => JSON.stringify({ flush: { set: { family, table, name } } })),
    ...moves.flatMap(({ family, table, set, verdict, less, more }) => {
      const at = { family, table, name: set };
      const present = kernel.tables.get(`${family} ${table}`)?.sets.get(set);
      const gone = less.map((slot) => JSON.parse(present?.get(String(slot)) ?? 'null') as unknown);
      const added = more.map(([slot, target]) => [slot, { [verdict]: { target } }]);
      return [
        JSON.stringify({ delete: { element: { ...at, elem: gone } } }),
        JSON.stringify({ add: { element: { ...at, elem: added } } }),
      ];
    }),
  ];
}
