import type { DeployedService, Ghost } from '../deployment/deployment.ts';
import type { Family } from '../net/address.ts';
import { matchAddress } from './address-match.ts';
import type { Json } from './expression.ts';
import { inSet, ipProtocol, payload } from './expression.ts';
import { servedElements } from './flooded.ts';
import type { SetObject } from './ruleset.ts';
import { ghostsOf } from './traffic.ts';

type Direction = 'saddr' | 'daddr';

/** Matches all ghosts. */
export function isGhost(active: readonly DeployedService[], family: Family, direction: Direction): Json[] {
  const ghosts = active.flatMap((deployed) => ghostsOf(deployed, family));
  return isAmong(ghosts, family, direction, `ghost${family}`);
}

/** Matches those that are not the router's own. */
export function isForeign(active: readonly DeployedService[], family: Family, direction: Direction): Json[] {
  const ghosts = active.flatMap((deployed) => ghostsOf(deployed, family)).filter((ghost) => !ghost.ownedBy);
  return isAmong(ghosts, family, direction, `foreign${family}`);
}

/** Everybody's packets are asked this: the only one there is is compared with, which the kernel does without a look-up. */
function isAmong(ghosts: readonly Ghost[], family: Family, direction: Direction, set: string): Json[] {
  const [only, ...others] = new Map(ghosts.map(({ address }) => [address.text, address])).values();
  if (only && others.length === 0) return matchAddress(direction, only);
  return [inSet(payload(ipProtocol(family), direction), set)];
}

/** `ghost4`: all ghosts; `foreign4`: those that are not the router's own; `own4`: what is served on its own addresses. */
export function ghostSets(active: readonly DeployedService[], family: Family): SetObject[] {
  const ghosts = active.flatMap((deployed) => ghostsOf(deployed, family));
  const addresses = (list: readonly Ghost[]) => [...new Set(list.map(({ address }) => address.text))];
  const type = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
  const plain = { verdicts: false, interval: false };
  return [
    { name: `ghost${family}`, key: type, ...plain, elements: addresses(ghosts) },
    { name: `foreign${family}`, key: type, ...plain, elements: addresses(ghosts.filter((ghost) => !ghost.ownedBy)) },
    {
      name: `own${family}`,
      key: [type, 'inet_proto', 'inet_service'],
      verdicts: false,
      interval: true,
      elements: active.flatMap((deployed) =>
        ghostsOf(deployed, family)
          .filter((ghost) => ghost.ownedBy)
          .flatMap((ghost) => servedElements(deployed, ghost)),
      ),
    },
  ];
}
