// What libnftables prints (libnftables-json(5)), read with care: of another form than expected nothing is made.

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export type JsonObject = { readonly [name: string]: Json };

/** Yes, no, or nobody knows. */
export type Known = boolean | undefined;

/** True where both hold, false where one does not. */
export function and(one: Known, other: Known): Known {
  if (one === false || other === false) return false;
  return one === undefined || other === undefined ? undefined : true;
}

/** Null where the text is no JSON. */
export function parseJson(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return null;
  }
}

/** Nothing in it where the value is none. */
export function objectOf(value: Json | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

/** Where nft has one element only, it leaves the brackets out. */
export function listOf(value: Json | undefined): readonly Json[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? (value as readonly Json[]) : [value];
}

/** Empty where the value is none. */
export function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}
