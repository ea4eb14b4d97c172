import { parseAddress } from '../net/address.ts';
import type { Address } from '../net/address.ts';
import type { NetworkChange } from './diff.ts';
import type { AddressEntry, SysctlEntry } from './state.ts';

/**
 * What it takes to undo a change where the kernel does not show it. Routes, rules and neighbour entries of ours carry
 * `ROUTE_PROTOCOL`, so that they are found without a journal.
 */
export type Undo =
  | {
      readonly kind: 'sysctl';
      readonly key: string;
      readonly original: string;
      /** Values that we have written, or were about to write, since it had the original one. */
      readonly ours: readonly string[];
    }
  | {
      /** A neighbour entry that the kernel had learned before we had it managed: it is given back, not deleted. */
      readonly kind: 'adopted';
      readonly address: Address;
      readonly ifindex: number;
    }
  | {
      /** An address that this machine had not, on the device of that number. */
      readonly kind: 'address';
      readonly address: Address;
      readonly prefixLength: number;
      readonly ifindex: number;
    };

const VERSION = 1;

/**
 * The journal as it must stand before a sysctl gets a new value. A value of ours never counts as the original one, but what
 * somebody else has written in the meantime does.
 */
export function recordSysctl(undo: readonly Undo[], change: NetworkChange & { kind: 'sysctl' }): Undo[] {
  const { key, value, before } = change;
  const known = undo.find((entry) => entry.kind === 'sysctl' && entry.key === key);
  const rest = undo.filter((entry) => entry !== known);
  if (known?.kind === 'sysctl' && known.ours.includes(before)) {
    return [...rest, { ...known, ours: [...new Set([...known.ours, value])] }];
  }
  return [...rest, { kind: 'sysctl', key, original: before, ours: [value] }];
}

/** The journal once a sysctl has its original value back, or is left as somebody else has set it. */
export function forgetSysctl(undo: readonly Undo[], key: string): Undo[] {
  return undo.filter((entry) => entry.kind !== 'sysctl' || entry.key !== key);
}

/** The journal with, or without, an entry that was adopted. */
export function recordAdopted(undo: readonly Undo[], address: Address, ifindex: number): Undo[] {
  return [...forgetAdopted(undo, address, ifindex), { kind: 'adopted', address, ifindex }];
}

export function forgetAdopted(undo: readonly Undo[], address: Address, ifindex: number): Undo[] {
  return undo.filter((entry) => !isAdopted(entry, address, ifindex));
}

export function wasAdopted(undo: readonly Undo[], address: Address, ifindex: number): boolean {
  return undo.some((entry) => isAdopted(entry, address, ifindex));
}

/** The journal with an address that is about to be added. */
export function recordAddress(undo: readonly Undo[], { address, prefixLength, device }: AddressEntry): Undo[] {
  const entry: Undo = { kind: 'address', address, prefixLength, ifindex: device.ifindex };
  return [...undo.filter((other) => !isSameAddress(other, entry)), entry];
}

/** The journal without an address that has gone. */
export function forgetAddress(undo: readonly Undo[], { address, prefixLength, device }: AddressEntry): Undo[] {
  return undo.filter((other) => !isSameAddress(other, { address, prefixLength, ifindex: device.ifindex }));
}

/** True where we have added the address ourselves. */
export function wasAdded(
  undo: readonly Undo[],
  entry: { readonly address: Address; readonly prefixLength: number; readonly ifindex: number },
): boolean {
  return undo.some((other) => isSameAddress(other, entry));
}

function isSameAddress(
  entry: Undo,
  { address, prefixLength, ifindex }: { address: Address; prefixLength: number; ifindex: number },
): boolean {
  if (entry.kind !== 'address' || entry.ifindex !== ifindex) return false;
  return entry.address.text === address.text && entry.prefixLength === prefixLength;
}

/**
 * The values that sysctls had before we changed them, of those that still have a value of ours. The others are somebody
 * else's now, or belong to a device that went and came back.
 */
export function originalSysctls(undo: readonly Undo[], current: readonly SysctlEntry[]): SysctlEntry[] {
  const values = new Map(current.map(({ key, value }) => [key, value]));
  return undo.flatMap((entry) => {
    if (entry.kind !== 'sysctl' || !entry.ours.includes(values.get(entry.key) ?? '')) return [];
    return [{ key: entry.key, value: entry.original }];
  });
}

/** The journal as text. */
export function encodeUndo(undo: readonly Undo[]): string {
  const entries = undo.map((entry) => (entry.kind === 'sysctl' ? entry : { ...entry, address: entry.address.text }));
  return `${JSON.stringify({ version: VERSION, undo: entries })}\n`;
}

/** Reads what `encodeUndo` wrote; throws an `Error` that says what is wrong with it. */
export function decodeUndo(text: string): Undo[] {
  const file = JSON.parse(text) as { version?: unknown; undo?: unknown } | null;
  if (file?.version !== VERSION) throw new Error(`its version is not ${VERSION}`);
  if (!Array.isArray(file.undo)) throw new Error('it has no list of changes');
  return file.undo.map(decodeEntry);
}

function decodeEntry(value: unknown): Undo {
  const entry = value as Record<string, unknown> | null;
  if (entry?.['kind'] === 'sysctl') {
    const { key, original, ours } = entry;
    if (isText(key) && isText(original) && Array.isArray(ours) && ours.every(isText)) {
      return { kind: 'sysctl', key, original, ours };
    }
  }
  if (entry?.['kind'] === 'adopted') {
    const address = isText(entry['address']) ? parseAddress(entry['address']) : undefined;
    const ifindex = entry['ifindex'];
    if (address && typeof ifindex === 'number') return { kind: 'adopted', address, ifindex };
  }
  if (entry?.['kind'] === 'address') {
    const address = isText(entry['address']) ? parseAddress(entry['address']) : undefined;
    const { ifindex, prefixLength } = entry;
    if (address && typeof ifindex === 'number' && typeof prefixLength === 'number') {
      return { kind: 'address', address, prefixLength, ifindex };
    }
  }
  throw new Error(`it holds ${JSON.stringify(value)}`);
}

function isAdopted(entry: Undo, address: Address, ifindex: number): boolean {
  return entry.kind === 'adopted' && entry.ifindex === ifindex && entry.address.text === address.text;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
