import type { Squad } from '../membership/fleet.ts';
import type { Membership } from '../membership/orders.ts';
import { ControlError } from '../service/control.ts';
import type { ServerReference } from '../service/control.ts';

// Who is meant by the names of a request. All throw `not-found`, with what there is, where nobody is.

type Fleet = ReadonlyMap<string, Squad>;

export function squadNamed(fleet: Fleet, name: string): Squad {
  const squad = fleet.get(name);
  if (squad) return squad;
  throw new ControlError('not-found', `no service '${name}'; there is: ${[...fleet.keys()].join(', ') || 'none'}`);
}

/** The squad of the service that is named, or all of them. */
export function squadsMeant(fleet: Fleet, service: string | undefined): Squad[] {
  return service === undefined ? [...fleet.values()] : [squadNamed(fleet, service)];
}

/** The server in each service that is meant. One that is being taken out is in none. */
export function membershipsMeant(fleet: Fleet, { server, service }: ServerReference): Membership[] {
  const squads = squadsMeant(fleet, service);
  const memberships = squads
    .filter(({ members }) =>
      members.some((member) => member.server.name === server && member.provenance !== 'removing'),
    )
    .map(({ roster }) => ({ service: roster.service.name, server }));
  if (memberships.length > 0) return memberships;
  const known = new Set(squads.flatMap(({ members }) => members.map((member) => member.server.name)));
  const where = service === undefined ? '' : ` in service '${service}'`;
  throw new ControlError('not-found', `no server '${server}'${where}; there is: ${[...known].join(', ') || 'none'}`);
}
