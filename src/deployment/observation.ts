import type { Model } from '../config/model.ts';
import type { Observation } from './deployment.ts';

/** Of the neighbours only the servers matter; the others come and go all day. */
export function onlyServers(observation: Observation, { services }: Model): Observation {
  const addresses = services.flatMap(({ servers }) => servers.flatMap(({ address, address6 }) => [address, address6]));
  const hardware = new Map(
    addresses.flatMap((address) => {
      const found = address && observation.hardware.get(address.text);
      return found === undefined ? [] : [[address?.text ?? '', found] as const];
    }),
  );
  return { ...observation, hardware };
}
