import type { Squad } from './fleet.ts';
import type { Decision, Member } from './members.ts';

/**
 * What is decided about a service in force where nothing counts but that servers of it have died: the others stand as they stood,
 * whatever else there is to be decided by now. `undefined`: none has died.
 *
 * @param decisions about the same servers, as they would be taken now
 */
export function decideDeaths({ members }: Squad, decisions: readonly Decision[]): readonly Decision[] | undefined {
  const dead = new Map(decisions.filter(({ alive }) => !alive).map((decision) => [decision.server.name, decision]));
  const death = ({ server, alive }: Member) => (alive ? dead.get(server.name) : undefined);
  if (!members.some(death)) return undefined;
  return members.map((member) => death(member) ?? standStill(member));
}

function standStill({ server, state, decider, reason, alive, order, provenance }: Member): Decision {
  return {
    ...{ server, decider, reason, alive },
    wish: state === 'draining' || state === 'drained' ? 'drain' : state,
    ...(order ? { order } : {}),
    ...(provenance ? { provenance } : {}),
  };
}
