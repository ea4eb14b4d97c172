import { isRemembered } from '../config/model.ts';
import { connectionsTo } from '../deployment/translation.ts';
import type { TranslatedConnections } from '../deployment/translation.ts';
import type { Server, Service } from '../config/model.ts';
import type { Fleet, Squad } from './fleet.ts';
import type { Member } from './members.ts';

/** A server whose connections are lost. */
export interface Lost {
  readonly service: Service;
  readonly server: Server;
}

/**
 * Those that lose them with the present change: who no longer lives, or whose time to drain is over, and who gets no others for
 * want of better ones. The kernel would go on sending them there.
 */
export function lostServers(before: Fleet, after: Fleet): Lost[] {
  return [...after].flatMap(([name, squad]) => {
    const { service } = squad.roster;
    if (!isRemembered(service)) return [];
    const was = before.get(name);
    if (was === squad) return [];
    const lost = squad.members.filter(
      (member) => isLost(squad, member) && !was?.members.some((old) => isSame(old, member) && isLost(was, old)),
    );
    return lost.map(({ server }) => ({ service, server }));
  });
}

/** The connections of services that are translated among them. */
export function lostConnections(lost: readonly Lost[]): TranslatedConnections[] {
  return lost.flatMap(({ service, server }) => connectionsTo(service, server));
}

function isLost({ roster, tables }: Squad, { alive, server, state, order }: Member): boolean {
  const index = roster.service.servers.findIndex(({ name }) => name === server.name);
  const isOver = state === 'drained' && order?.until !== undefined;
  return (!alive || isOver) && !(index >= 0 && [tables[4], tables[6]].some((table) => table?.includes(index)));
}

/** With another address it has other connections. */
function isSame({ server }: Member, other: Member): boolean {
  const { name, address, address6 } = other.server;
  return server.name === name && server.address?.text === address?.text && server.address6?.text === address6?.text;
}
