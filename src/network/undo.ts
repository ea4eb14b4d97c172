import { parseAddress, parsePrefix, formatPrefix } from '../net/address.ts';
import type { Family } from '../net/address.ts';
import type { DeviceReference, NeighbourEntry, RouteEntry, RuleEntry, SysctlEntry } from './state.ts';

/**
 * What was changed, with what it takes to undo it. Routes, rules and neighbour entries that others made before us are not in
 * it.
 */
export type Undo =
  | {
      readonly kind: 'sysctl';
      readonly key: string;
      readonly original: string;
      /** Values that we have written, or were about to write, since it had the original one. */
      readonly ours: readonly string[];
    }
  | { readonly kind: 'route'; readonly entry: RouteEntry }
  | { readonly kind: 'rule'; readonly entry: RuleEntry }
  | {
      readonly kind: 'neighbour';
      readonly entry: NeighbourEntry;
      /** It was there before, learned by the kernel: it is given back, not deleted. */
      readonly adopted: boolean;
    };

const VERSION = 1;

/** The journal as text. */
export function encodeUndo(undo: readonly Undo[]): string {
  return `${JSON.stringify({ version: VERSION, undo: undo.map(toJson) })}\n`;
}

/** Reads what `encodeUndo` wrote; throws an `Error` that says what is wrong with it. */
export function decodeUndo(text: string): Undo[] {
  const file = object(JSON.parse(text));
  if (file['version'] !== VERSION) throw new Error(`version ${String(file['version'])}, not ${VERSION}`);
  if (!Array.isArray(file['undo'])) throw new Error('no list of changes');
  return file['undo'].map(fromJson);
}

/** The values that sysctls had before we changed them. */
export function originalSysctls(undo: readonly Undo[]): SysctlEntry[] {
  return undo.flatMap((entry) => (entry.kind === 'sysctl' ? [{ key: entry.key, value: entry.original }] : []));
}

function toJson(undo: Undo): unknown {
  if (undo.kind === 'sysctl' || undo.kind === 'rule') return undo;
  if (undo.kind === 'neighbour') return { ...undo, entry: { ...undo.entry, address: undo.entry.address.text } };
  const { destination, via, ...rest } = undo.entry;
  const prefix = destination === 'default' ? destination : formatPrefix(destination);
  return { kind: undo.kind, entry: { ...rest, destination: prefix, ...(via && { via: via.text }) } };
}

function fromJson(value: unknown): Undo {
  const { kind, entry, ...rest } = object(value);
  if (kind === 'sysctl') {
    const { key, original, ours } = rest;
    if (!Array.isArray(ours)) throw new Error('a sysctl without our values');
    return { kind, key: text(key), original: text(original), ours: ours.map(text) };
  }
  const fields = object(entry);
  const family = familyFrom(fields['family']);
  if (kind === 'rule') {
    const { priority, mark, mask, table } = fields;
    return {
      kind,
      entry: { family, priority: count(priority), mark: count(mark), mask: count(mask), table: count(table) },
    };
  }
  if (kind === 'neighbour') {
    const form = fields['kind'];
    if (form !== 'managed' && form !== 'proxy') throw new Error(`a neighbour of kind ${String(form)}`);
    const address = required(parseAddress(text(fields['address'])), 'address');
    const device = deviceFrom(fields['device']);
    return {
      kind,
      entry: { family, address, device, kind: form },
      adopted: rest['adopted'] === true,
    };
  }
  if (kind === 'route') return { kind, entry: routeFrom(family, fields) };
  throw new Error(`a change of kind ${String(kind)}`);
}

function routeFrom(family: Family, fields: Record<string, unknown>): RouteEntry {
  const { table, destination, type = 'unicast', device, via, onlink, metric } = fields;
  if (type !== 'unicast' && type !== 'blackhole' && type !== 'unreachable') {
    throw new Error(`a route of type ${String(type)}`);
  }
  return {
    family,
    table: count(table),
    destination: destination === 'default' ? destination : required(parsePrefix(text(destination)), 'destination'),
    type,
    ...(device !== undefined && { device: deviceFrom(device) }),
    ...(via !== undefined && { via: required(parseAddress(text(via)), 'next hop') }),
    ...(onlink === true && { onlink }),
    ...(metric !== undefined && { metric: count(metric) }),
  };
}

function deviceFrom(value: unknown): DeviceReference {
  const { name, ifindex } = object(value);
  return { name: text(name), ifindex: count(ifindex) };
}

function familyFrom(value: unknown): Family {
  if (value !== 4 && value !== 6) throw new Error(`a family ${String(value)}`);
  return value;
}

function object(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error('something that is no object');
  return value as Record<string, unknown>;
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw new Error(`${String(value)} where a text belongs`);
  return value;
}

function count(value: unknown): number {
  if (!Number.isInteger(value) || Number(value) < 0) throw new Error(`${String(value)} where a number belongs`);
  return Number(value);
}

function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`a ${what} that cannot be read`);
  return value;
}
