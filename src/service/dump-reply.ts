import type { Writable, WritableTable } from '../ubus/blobmsg.ts';
import { encodeTable } from '../ubus/blobmsg.ts';
import { MAX_BLOB_LENGTH } from '../ubus/message.ts';
import { wireText } from './wire-text.ts';

/** What may go into one message, beside its own envelope and the list of what is left out. */
const ROOM = MAX_BLOB_LENGTH - 4096;
/** The bus takes 64 levels. */
const DEEPEST = 48;

/**
 * What `dump` answers: all that fits into a message. Members that do not fit, the largest first, are left out, and named in
 * `omitted`.
 */
export function dumpReply(dump: Readonly<Record<string, unknown>>): WritableTable {
  const members = Object.entries(dump)
    .map(([name, value]) => ({ name: wireText(name), value: writable(value, 0) }))
    .map((member) => ({ ...member, size: encodeTable({ [member.name]: member.value }).length }));
  const omitted = new Set<string>();
  let total = members.reduce((sum, { size }) => sum + size, 0);
  for (const { name, size } of [...members].sort((one, other) => other.size - one.size)) {
    if (total <= ROOM) break;
    omitted.add(name);
    total -= size;
  }
  const kept = members.filter(({ name }) => !omitted.has(name)).map(({ name, value }) => [name, value] as const);
  return { ...Object.fromEntries(kept), ...(omitted.size > 0 && { omitted: [...omitted] }) };
}

/** Any value as the bus can carry it: maps become tables, sets and typed arrays lists, what has no content nothing. */
function writable(value: unknown, depth: number): Writable {
  if (depth > DEEPEST) return '…';
  const deeper = (inner: unknown): Writable => writable(inner, depth + 1);
  switch (typeof value) {
    case 'string':
      return wireText(value);
    case 'number':
    case 'bigint':
    case 'boolean':
      return value;
    case 'object':
      if (value === null) return null;
      if (Array.isArray(value)) return value.map(deeper);
      if (value instanceof Set || value instanceof Uint8Array || value instanceof Uint16Array) {
        return Array.from<unknown>(value).map(deeper);
      }
      return tableOf(value instanceof Map ? [...value] : Object.entries(value), deeper);
    default:
      return null;
  }
}

function tableOf(
  entries: readonly (readonly [unknown, unknown])[],
  deeper: (inner: unknown) => Writable,
): WritableTable {
  const present = entries.filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(present.map(([name, inner]) => [wireText(String(name)), deeper(inner)]));
}
