import type { LinkState } from '../config/environment.ts';
import type { DeployedService, Deployment } from '../deployment/deployment.ts';
import { isShapedLike } from '../ruleset/build.ts';

/** Servers whose services get other rules in one transaction: it takes some 0.2 s on a small computer of today. */
const SERVERS_AT_ONCE = 128;

/**
 * Deployments by which another one is reached in transactions that take little time each, the wanted one last: between them
 * there is time for a server that dies. A service gets all that it shall have at once. Those whose packets come in as before
 * can be changed one after the other; all else comes with the last stage, since a port, say, may go from one service to another.
 */
export function stagesOf(before: Deployment | undefined, after: Deployment): readonly Deployment[] {
  if (!before || !isSameFrame(before, after)) return [after];
  const kept = before.services.flatMap((deployed) => relink(deployed, after) ?? []);
  if (kept.length < before.services.length) return [after];
  const wanted = new Map(after.services.map((deployed) => [deployed.service.name, deployed]));
  const stages: Deployment[] = [];
  let services: readonly DeployedService[] = kept;
  let load = 0;
  for (const [index, was] of kept.entries()) {
    const deployed = wanted.get(was.service.name);
    if (!deployed || !isSameEntrance(was, deployed)) continue;
    const weight = isSameInRules(was, deployed) ? 0 : deployed.servers.length;
    if (load > 0 && load + weight > SERVERS_AT_ONCE) {
      stages.push({ ...after, services });
      load = 0;
    }
    load += weight;
    services = services.with(index, deployed);
  }
  return [...stages, after];
}

/** Nothing differs by which the rules of all services do. */
function isSameFrame(one: Deployment, other: Deployment): boolean {
  return (
    one.markBase === other.markBase && one.tableBase === other.tableBase && one.rulePriority === other.rulePriority
  );
}

/** The service as it was, with the links as they are now, by which others may know them; `undefined` where one is another now. */
function relink(deployed: DeployedService, { observation }: Deployment): DeployedService | undefined {
  const { links } = observation.environment;
  const linksOf = ({ device, sources, ghosts }: DeployedService) => [
    device,
    ...sources,
    ...ghosts.flatMap(({ answeredOn }) => answeredOn),
  ];
  const now = (link: LinkState) => links.get(link.name) ?? link;
  const used = linksOf(deployed);
  if (used.every((link) => links.get(link.name) === link)) return deployed;
  if (used.some((link) => JSON.stringify(links.get(link.name)) !== JSON.stringify(link))) return undefined;
  const { device, sources, ghosts } = deployed;
  return {
    ...deployed,
    device: now(device),
    sources: sources.map(now),
    ghosts: ghosts.map((ghost) => ({ ...ghost, answeredOn: ghost.answeredOn.map(now) })),
  };
}

function isSameEntrance(one: DeployedService, other: DeployedService): boolean {
  if (one === other) return true;
  const [here, there] = [one, other].map(({ service, device, sources, ghosts }) =>
    JSON.stringify([{ ...service, servers: [], disabled: [] }, device, sources, ghosts]),
  );
  return here === there;
}

/** True where only elements of maps and sets differ, which takes no time that is worth mentioning. */
function isSameInRules(one: DeployedService, other: DeployedService): boolean {
  if (one === other) return true;
  return isShapedLike(one, other) && JSON.stringify(one.servers) === JSON.stringify(other.servers);
}
