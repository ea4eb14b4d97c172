/** Of chi-square with three degrees of freedom one value in 100 000 is larger. */
export const LARGEST_CHI_SQUARE = 25.9;

/** How far counts are from what the weights promise (Pearson). */
export function chiSquare(counts: ReadonlyMap<string, number>, weights: Readonly<Record<string, number>>): number {
  const sum = [...counts.values()].reduce((total, count) => total + count, 0);
  const all = Object.values(weights).reduce((total, weight) => total + weight, 0);
  return Object.entries(weights).reduce((total, [name, weight]) => {
    const expected = (sum * weight) / all;
    return total + ((counts.get(name) ?? 0) - expected) ** 2 / expected;
  }, 0);
}
