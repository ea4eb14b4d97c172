import { isTranslated } from '../config/model.ts';
import { connectionsTo } from '../deployment/translation.ts';
import type { TranslatedConnections } from '../deployment/translation.ts';
import type { Fleet, Squad } from './fleet.ts';
import type { Member } from './members.ts';

/**
 * Connections that are lost with the present change: to servers that no longer live, or whose time to drain is over, and that
 * get no others for want of better ones. The kernel would go on sending them there.
 */
export function lostConnections(before: Fleet, after: Fleet): TranslatedConnections[] {
  return [...after].flatMap(([name, squad]) => {
    const { service } = squad.roster;
    if (!isTranslated(service)) return [];
    const was = before.get(name);
    const lost = squad.members.filter(
      (member) => isLost(squad, member) && !was?.members.some((old) => isSame(old, member) && isLost(was, old)),
    );
    return lost.flatMap(({ server }) => connectionsTo(service, server));
  });
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
