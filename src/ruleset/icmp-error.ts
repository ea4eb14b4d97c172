import type { DeployedService, Deployment } from '../deployment/deployment.ts';
import type { Family } from '../net/address.ts';
import { drop, goto, ipProtocol, match, meta, payload, set, verdictMap } from './expression.ts';
import { aboutGhost, innerMatches } from './inner-packet.ts';
import { isPlaced } from './placed.ts';
import { rule } from './ruleset.ts';
import type { Chain, Rule } from './ruleset.ts';
import { dispatchByInnerClient } from './slot-map.ts';
import { errorTypes, familiesOf, ghostsOf, icmpType } from './traffic.ts';
import { endMap } from './transition.ts';

/** Chain that takes an ICMP error to the server whose packet it is about. */
export function icmpErrorChain(family: Family): string {
  return `error${family}`;
}

/**
 * An ICMP error to the ghost belongs to the server that sent the packet inside it; without it that server never learns of a
 * smaller path MTU and its downloads hang. Errors are rare, so services are tried one by one. While a change is digested they
 * go by the slot table, to the new server: connections that are kept elsewhere have learnt their path MTU long before.
 */
export function icmpErrorChains(active: readonly DeployedService[], families: readonly Family[]): Chain[] {
  return families.map((family) => ({
    name: icmpErrorChain(family),
    rules: active
      .filter((deployed) => familiesOf(deployed).includes(family))
      .flatMap((deployed) =>
        ghostsOf(deployed, family).flatMap((ghost) =>
          innerMatches(deployed.service, ghost, family).flatMap((inner) => {
            const purpose = `about packets of ${deployed.service.name}`;
            return [
              // The fast path has looked for the flow.
              ...(isPlaced(deployed.service, inner.traffic)
                ? [rule(purpose, ...inner.matches, verdictMap(meta('mark'), endMap(deployed.service.name)))]
                : []),
              rule(purpose, ...inner.matches, ...dispatchByInnerClient(deployed, family, inner)),
            ];
          }),
        ),
      ),
  }));
}

/**
 * Errors that this router makes, such as "fragmentation needed" for a download that its WAN does not carry, pass neither
 * ingress nor prerouting. On its own address their source would be the ghost, which the server takes for a forgery of
 * itself: they leave with the router's address on the servers' link instead.
 */
export function steerOwnErrors(deployed: DeployedService, deployment: Deployment): Rule[] {
  return familiesOf(deployed).flatMap((family) =>
    ghostsOf(deployed, family).flatMap((ghost) => {
      const ip = ipProtocol(family);
      const isError = [match(payload(ip, 'daddr'), ghost.address.text), match(icmpType(family), errorTypes(family))];
      const steer = rule('errors of the router', ...isError, goto(icmpErrorChain(family)));
      if (ghost.ownedBy === undefined) return [steer];
      const address = deployment.observation.environment.addresses.find(
        (entry) =>
          entry.device === deployed.device.name &&
          entry.address.family === family &&
          entry.address.text !== ghost.address.text &&
          !entry.address.text.startsWith('fe80:'),
      );
      if (!address) return [steer];
      const source = set(payload(ip, 'saddr'), address.address.text);
      return innerMatches(deployed.service, ghost, family)
        .map(({ matches }) => rule('errors of the router', ...isError, ...matches, source))
        .concat(steer);
    }),
  );
}

/** Where the redirect's destination stands behind the ICMP header's start, in bits: RFC 792 (in the packet inside), RFC 4861 §4.5. */
const REDIRECTED = { 4: 192, 6: 192 } as const;

/**
 * A dispatcher with one arm forwards out of the device a packet came by, and the kernel tells the client of a shorter way:
 * to one server, for all of the ghost. Dropping just those redirects leaves `send_redirects` as it is for the rest.
 */
export function suppressRedirects(deployed: DeployedService): Rule[] {
  return familiesOf(deployed).flatMap((family) =>
    ghostsOf(deployed, family).map((ghost) =>
      rule(
        'no redirects for the ghost',
        match(icmpType(family), family === 4 ? 'redirect' : 'nd-redirect'),
        aboutGhost(ghost, family, REDIRECTED[family]),
        drop,
      ),
    ),
  );
}
