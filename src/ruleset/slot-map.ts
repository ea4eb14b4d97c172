import { isTranslated } from '../config/model.ts';
import type { Service } from '../config/model.ts';
import type { DeployedService } from '../deployment/deployment.ts';
import type { Family } from '../net/address.ts';
import type { Json } from './expression.ts';
import { meta, set, verdictMap } from './expression.ts';
import { forwardHashKey, icmpErrorHashKey } from './hash-key.ts';
import type { InnerMatch } from './inner-packet.ts';
import type { SlotMap } from './ruleset.ts';
import { familiesOf, hasPorts } from './traffic.ts';
import type { Traffic } from './traffic.ts';

/** Chain in which packets for a server end. */
export function serverChain(service: string, server: string): string {
  return `${service}/to/${server}`;
}

/** Counter of packets and bytes for a server of a service. */
export function serverCounter(service: string, server: string): string {
  return `${service}/${server}`;
}

/** The map with the allocation table of a service and family; one for both families where they are the same. */
function slotMapName({ service, tables }: DeployedService, family: Family): string {
  return tables[4] === tables[6] || !(tables[4] && tables[6])
    ? `${service.name}/slot`
    : `${service.name}/slot${family}`;
}

/** Where shares follow the load, whoever has no record goes by the allocation table, which does not: there are none with `nat`. */
export function slotMaps(deployed: DeployedService): SlotMap[] {
  const { tables, service } = deployed;
  const owners = isTranslated(service) ? (tables.turns ?? tables) : tables;
  const targets = deployed.servers.map(({ name }) => serverChain(deployed.service.name, name));
  const maps = new Map<string, SlotMap>();
  for (const family of familiesOf(deployed)) {
    const slots = owners[family];
    const name = slotMapName(deployed, family);
    if (slots) maps.set(name, { name, slots, targets });
  }
  return [...maps.values()];
}

/**
 * Hash of the client → slot → server's chain. The mark carries the slot between hash and map: a map keyed by `jhash`
 * itself needs `typeof`, which JSON cannot declare in nft 1.0.6. Goes on where the slot has no server.
 */
export function dispatchByClient(deployed: DeployedService, family: Family, traffic: Traffic): Json[] {
  return [hashClient(deployed, family, traffic), lookUpSlot(deployed, family)];
}

/** The same for an ICMP error: the client is the destination of the packet inside. */
export function dispatchByInnerClient(
  deployed: DeployedService,
  family: Family,
  { traffic, layout }: Pick<InnerMatch, 'traffic' | 'layout'>,
): Json[] {
  const { hash, hashPrefix6 } = deployed.service;
  return dispatch(deployed, family, icmpErrorHashKey(hash, family, portsOrNone(traffic), hashPrefix6, layout));
}

function portsOrNone(traffic: Traffic): 'ports' | 'none' {
  return hasPorts(traffic) ? 'ports' : 'none';
}

/** The first half of it, and the second: for those who look at the slot in between. */
export function hashClient({ service }: DeployedService, family: Family, traffic: Traffic): Json {
  const { hash, hashPrefix6 } = service;
  return setSlot(service, forwardHashKey(hash, family, portsOrNone(traffic), hashPrefix6));
}

export function lookUpSlot(deployed: DeployedService, family: Family): Json {
  return verdictMap(meta('mark'), slotMapName(deployed, family));
}

function dispatch(deployed: DeployedService, family: Family, key: Json): Json[] {
  return [setSlot(deployed.service, key), lookUpSlot(deployed, family)];
}

function setSlot({ slots, seed }: Service, key: Json): Json {
  return set(meta('mark'), { jhash: { mod: slots, offset: 0, seed, expr: key } });
}
