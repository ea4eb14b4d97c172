import type { Simulation } from '../simulate/simulate.ts';

/** Simulations for people: the answer first, then why. */
export function formatSimulations(client: string, simulations: readonly Simulation[]): string {
  return simulations
    .map(({ service, server, slot, why }) => {
      const answer = server ?? 'nobody';
      const where = slot === undefined ? '' : ` (slot ${slot})`;
      return [`${client} → ${service}: ${answer}${where}`, ...why.map((line) => `  ${line}`), ''].join('\n');
    })
    .join('\n');
}
