/** Options of a UCI section; an array makes a list, `undefined` leaves the option out. */
export type UciOptions = Readonly<Record<string, string | number | readonly (string | number)[] | undefined>>;

/** One UCI section as text; values must not hold single quotes. */
export function uciSection(type: string, name: string, options: UciOptions): string {
  const lines = Object.entries(options).flatMap(([key, value]) => {
    if (value === undefined) return [];
    return Array.isArray(value)
      ? value.map((item) => `\tlist ${key} '${item}'\n`)
      : [`\toption ${key} '${String(value)}'\n`];
  });
  return `config ${type} '${name}'\n${lines.join('')}\n`;
}
