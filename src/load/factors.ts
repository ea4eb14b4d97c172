/** By what the configured weights of servers are multiplied, by name, `LEAST`–`MOST`. Who is missing keeps its weight. */
export type Factors = ReadonlyMap<string, number>;

/** A server has at least a quarter, and at most four times, of what its weight would give it beside the others. */
export const LEAST = 1 / 4;
export const MOST = 4;

const VERSION = 1;

/** Factors of services, by name, as text for `parseFactors`. */
export function formatFactors(services: ReadonlyMap<string, Factors>): string {
  return `${JSON.stringify({ version: VERSION, services: [...services].map(([name, factors]) => [name, [...factors]]) })}\n`;
}

/** None where the text is none of ours, such as that of another version. */
export function parseFactors(text: string): Map<string, Factors> {
  try {
    const { version, services } = JSON.parse(text) as { version: number; services: [string, [string, number][]][] };
    if (version !== VERSION) return new Map();
    return new Map(
      services.map(([name, factors]) => [name, new Map(factors.filter(([, factor]) => isFactor(factor)))]),
    );
  } catch {
    return new Map();
  }
}

function isFactor(factor: number): boolean {
  return factor >= LEAST && factor <= MOST;
}

/** What a server's weight comes to, to a tenth; `undefined` where that is the weight itself. */
export function effectiveWeight(
  { name, weight }: { readonly name: string; readonly weight: number },
  factors: Factors | undefined,
): number | undefined {
  const effective = Math.round(10 * weight * (factors?.get(name) ?? 1)) / 10;
  return effective === weight ? undefined : effective;
}
