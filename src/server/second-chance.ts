import { floodHardware } from '../deployment/flood.ts';
import { addressFromBytes } from '../net/address.ts';
import type { Address, Family } from '../net/address.ts';
import type { NeighbourEntry, RouteEntry } from '../network/state.ts';
import { anonymous, count, drop, inSet, ipProtocol, match, meta, payload } from '../ruleset/expression.ts';
import type { Json } from '../ruleset/expression.ts';
import { rule } from '../ruleset/ruleset.ts';
import type { Table } from '../ruleset/ruleset.ts';
import { familiesOf } from '../ruleset/traffic.ts';
import { FLAGS, deployedOf, ghostTexts } from './filter.ts';
import type { FilteredService } from './filter.ts';
import type { Attachment } from './machine.ts';

// Second chance (D6, S3b). A server that gets a segment of a connection which it does not know, and which begins none, passes it
// to all other servers in a frame to everybody; who has the connection takes it, all others drop it (`serverFilter`). What
// comes in such a frame is never passed on, which is the guard without which two servers would send it to and fro for ever. Nobody
// has to know who had the slot before, nor before that.

/** The routing table `main` (RT_TABLE_MAIN). */
const MAIN_TABLE = 254;

/** Behind the filter: what came in a frame to everybody has been taken or dropped there. */
const PRIORITY = -198;

/** Segments a second that are passed on; more are left to the stack, which answers with a RST. A change brings fewer. */
const RATE = 2000;

/** Next hop of what is passed on: nobody's address, of the link's own range, with the MAC address of everybody. */
const EVERYBODY: Readonly<Record<Family, Address>> = {
  4: addressFromBytes([169, 254, 111, 111]),
  6: addressFromBytes([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x6f, 0x6e, 0x65, 0x69, 0x70, 0, 0, 1]),
};

export const PASSED_COUNTER = 'passed';

/** Families in which something may be passed on, with the device. */
function passages(services: readonly FilteredService[], attachment: Attachment) {
  const chances = services.filter(({ service }) => service.secondChance).map(deployedOf);
  return ([4, 6] as const).flatMap((family) => {
    const link = attachment[family];
    const here = chances.filter((deployed) => familiesOf(deployed).includes(family));
    return link && here.length > 0 ? [{ family, link, ghosts: ghostTexts(here, family) }] : [];
  });
}

/** The tables that pass on; `dup` is known to those of one family only. Where a copy is routed to is told by `passageNetwork`. */
export function passageTables(services: readonly FilteredService[], attachment: Attachment): Table[] {
  return passages(services, attachment).map(({ family, link, ghosts }): Table => {
    const copy: Json = { dup: { addr: EVERYBODY[family].text, dev: link.name } };
    const limit: Json = { limit: { rate: RATE, per: 'second', burst: RATE } };
    return {
      family: ipProtocol(family),
      chains: [
        {
          name: 'unknown',
          hook: { type: 'filter', hook: 'prerouting', priority: PRIORITY },
          bound: { [link.name]: link.ifindex },
          rules: [
            rule(
              'second chance',
              inSet(payload(ipProtocol(family), 'daddr'), 'ghost'),
              match(meta('iifname'), link.name),
              match(meta('pkttype'), 'host'),
              match(FLAGS, 'syn', '!='),
              match({ ct: { key: 'state' } }, anonymous('new', 'invalid')),
              limit,
              count(PASSED_COUNTER),
              copy,
              drop,
            ),
          ],
        },
      ],
      sets: [
        {
          name: 'ghost',
          key: family === 4 ? 'ipv4_addr' : 'ipv6_addr',
          verdicts: false,
          interval: false,
          elements: ghosts,
        },
      ],
      slotMaps: [],
      counters: [PASSED_COUNTER],
    };
  });
}

/** What leads copies to everybody: a route, lest they take the default one, and a neighbour. */
export function passageNetwork(
  services: readonly FilteredService[],
  attachment: Attachment,
): { readonly routes: RouteEntry[]; readonly neighbours: NeighbourEntry[] } {
  const found = passages(services, attachment);
  return {
    routes: found.map(({ family, link: { name, ifindex } }) => {
      const address = EVERYBODY[family];
      const destination = { address, length: address.bytes.length * 8 };
      return { family, table: MAIN_TABLE, destination, device: { name, ifindex } };
    }),
    neighbours: found.map(({ family, link: { name, ifindex } }) => ({
      family,
      address: EVERYBODY[family],
      device: { name, ifindex },
      kind: 'permanent',
      hardware: floodHardware({ name: '', dispatch: 'broadcast' }, family),
    })),
  };
}
