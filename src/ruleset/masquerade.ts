import type { Environment } from '../config/environment.ts';
import type { DeployedService } from '../deployment/deployment.ts';
import { maskAddress } from '../net/address.ts';
import type { Family } from '../net/address.ts';
import { anonymous, ipProtocol, match, meta, payload, prefixElement, range } from './expression.ts';
import type { Json } from './expression.ts';
import { rule } from './ruleset.ts';
import type { Chain, Rule } from './ruleset.ts';
import { PROTOCOL_NUMBER, familiesOf, ghostsOf, icmpProtocol, takesAll, transports } from './traffic.ts';

/** Before the firewall's source translation (100), and before the chain that keeps ports from it. */
const PRIORITY = 98;

/**
 * Source translation of translated connections: of all where the service wants it, else of those of clients that a server would
 * answer past the router, since they are in its own subnet. A connection is known by what it was before it was translated:
 * the address alone may have other connections, which are not ours.
 */
export function masqueradeChains(active: readonly DeployedService[], environment: Environment): Chain[] {
  const rules = active.flatMap((deployed) =>
    familiesOf(deployed).flatMap((family) => masqueraded(deployed, family, environment)),
  );
  if (rules.length === 0) return [];
  return [{ name: 'translated/source', hook: { type: 'nat', hook: 'postrouting', priority: PRIORITY }, rules }];
}

function masqueraded(deployed: DeployedService, family: Family, environment: Environment): Rule[] {
  const { service, device } = deployed;
  const isAll = service.translation?.masquerade === true;
  const subnets = isAll ? [] : subnetsOn(device.name, family, environment);
  if (!isAll && subnets.length === 0) return [];
  const clients = isAll
    ? []
    : [match(meta('oifname'), device.name), match(payload(ipProtocol(family), 'saddr'), anonymous(...subnets))];
  const purpose = isAll ? `connections of ${service.name}` : `${service.name} for its servers' neighbours`;
  return originals(deployed, family).map((original) =>
    rule(purpose, match({ ct: { key: 'status' } }, 'dnat', 'in'), ...original, ...clients, { masquerade: null }),
  );
}

/** What a connection of the service was aimed at, as alternatives. */
function originals(deployed: DeployedService, family: Family): Json[][] {
  const { service } = deployed;
  const destination = { ct: { key: `${ipProtocol(family)} daddr`, dir: 'original' } };
  const kinds: Json[][] = takesAll(service)
    ? [[]]
    : [
        ...transports(service).flatMap((transport) => {
          const isTransport = match(meta('l4proto'), PROTOCOL_NUMBER[transport]);
          if (service.ports.length === 0) return [[isTransport]];
          const port = { ct: { key: 'proto-dst', dir: 'original' } };
          return service.ports.map(({ first, last }) => [
            isTransport,
            match(port, first === last ? first : range(first, last)),
          ]);
        }),
        [match(meta('l4proto'), PROTOCOL_NUMBER[icmpProtocol(family)])],
      ];
  return ghostsOf(deployed, family).flatMap(({ address }) =>
    kinds.map((kind) => [match(destination, address.text), ...kind]),
  );
}

function subnetsOn(device: string, family: Family, { addresses }: Environment): Json[] {
  const subnets = addresses
    .filter((own) => own.device === device && own.address.family === family)
    .map((own) => maskAddress(own.peer ?? own.address, own.prefixLength))
    .filter(({ address, length }) => length < address.bytes.length * 8 && !address.text.startsWith('fe80:'));
  const distinct = new Map(subnets.map((subnet) => [`${subnet.address.text}/${subnet.length}`, subnet]));
  return [...distinct.values()].map(prefixElement);
}
