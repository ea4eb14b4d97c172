/** Any value of a ubus reply; integers that a number cannot hold come as bigint and are written as what they are. */
export type JsonValue =
  null | undefined | boolean | number | bigint | string | readonly JsonValue[] | { readonly [name: string]: JsonValue };

/** JSON, with so many blanks for each level; on one line where there are none. Members that are `undefined` are left out. */
export function formatJson(value: JsonValue, indent = 0): string {
  return write(value, indent > 0 ? `\n` : '', ' '.repeat(indent));
}

function write(value: JsonValue, newline: string, step: string): string {
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const inner = newline === '' ? '' : newline + step;
  const wrap = (open: string, items: readonly string[], close: string) =>
    items.length === 0 ? open + close : `${open}${inner}${items.join(`,${inner}`)}${newline}${close}`;
  if (isList(value)) {
    return wrap(
      '[',
      value.map((item) => write(item, inner, step)),
      ']',
    );
  }
  const colon = newline === '' ? ':' : ': ';
  const members = Object.entries(value).filter(([, item]) => item !== undefined);
  return wrap(
    '{',
    members.map(([name, item]) => `${JSON.stringify(name)}${colon}${write(item, inner, step)}`),
    '}',
  );
}

function isList(value: object): value is readonly JsonValue[] {
  return Array.isArray(value);
}
