/** The number on the first line of what a program has printed; `undefined` where there is none. */
export function parseLoadNumber(output: string): number | undefined {
  const [line = ''] = output.trimStart().split('\n', 1);
  const text = line.trim();
  // What Number() takes beyond this, as hexadecimal digits, nobody means.
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return undefined;
  const number = Number(text);
  return Number.isFinite(number) ? number : undefined;
}
