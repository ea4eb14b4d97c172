import type { Family, Prefix } from '../net/address.ts';

/** A libnftables JSON expression or statement, as libnftables-json(5) defines them. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** Base of a raw payload expression: link-layer, network or transport header. */
export type HeaderBase = 'll' | 'nh' | 'th';

/** Name of the IP protocol of a family in payload expressions. */
export function ipProtocol(family: Family): 'ip' | 'ip6' {
  return family === 4 ? 'ip' : 'ip6';
}

/** A field of a header. */
export function payload(protocol: string, field: string): Json {
  return { payload: { protocol, field } };
}

/** Bits `offset` to `offset + length - 1` behind the start of a header. */
export function raw(base: HeaderBase, offset: number, length: number): Json {
  return { payload: { base, offset, len: length } };
}

/** Metadata of the packet. */
export function meta(key: string): Json {
  return { meta: { key } };
}

/** Several expressions as one key. */
export function concat(...parts: Json[]): Json {
  return { concat: parts };
}

/** Goes on with the rule where `left` compares to `right`; `in` tests flags. */
export function match(left: Json, right: Json, op: '==' | '!=' | '<' | '>' | 'in' = '=='): Json {
  return { match: { op, left, right } };
}

/** Goes on with the rule where `left` is (or, with `!=`, is not) an element of the named set. */
export function inSet(left: Json, set: string, op: '==' | '!=' = '=='): Json {
  return match(left, `@${set}`, op);
}

/** Jumps to where the named map, or the anonymous one, sends the key; goes on with the chain where it has no such key. */
export function verdictMap(key: Json, data: string | readonly (readonly [Json, Json])[]): Json {
  return { vmap: { key, data: typeof data === 'string' ? `@${data}` : { set: data } } };
}

/** Continues in another chain without coming back. */
export function goto(chain: string): Json {
  return { goto: { target: chain } };
}

/** Continues in another chain, and behind this rule when that comes back or ends. */
export function jump(chain: string): Json {
  return { jump: { target: chain } };
}

/** Back to the rule behind the jump that led here. */
export const back: Json = { return: null };
export const accept: Json = { accept: null };
export const drop: Json = { drop: null };
export const notrack: Json = { notrack: null };

/** Assigns to a field, an option or metadata. */
export function set(key: Json, value: Json): Json {
  return { mangle: { key, value } };
}

/**
 * Puts the key into a set, or has it stay there for so many seconds from now. Goes on with the rule unless it is not in the
 * set and the set is full.
 */
export function update(setName: string, key: Json, timeout: number): Json {
  return { set: { op: 'update', elem: { elem: { val: key, timeout } }, set: `@${setName}` } };
}

/** Takes the key out of a set. Goes on with the rule where it was in it. */
export function remove(setName: string, key: Json): Json {
  return { set: { op: 'delete', elem: key, set: `@${setName}` } };
}

/** What the named map has for the key; ends the rule where it has nothing. */
export function lookUp(key: Json, map: string): Json {
  return { map: { key, data: `@${map}` } };
}

/** Counts in a named counter. */
export function count(counter: string): Json {
  return { counter };
}

/** Values or ranges as an anonymous set. */
export function anonymous(...values: Json[]): Json {
  return { set: values };
}

/** Both ends included. */
export function range(first: Json, last: Json): Json {
  return { range: [first, last] };
}

/** A prefix as an element; full length is the address itself, for so the kernel lists it. */
export function prefixElement(prefix: Prefix): Json {
  if (prefix.length === prefix.address.bytes.length * 8) return prefix.address.text;
  return { prefix: { addr: prefix.address.text, len: prefix.length } };
}
