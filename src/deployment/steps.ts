import { prepareSlots, withoutLoss } from '../transition/preparation.ts';
import type { PreparedSlots } from '../transition/preparation.ts';
import type { Transition } from '../transition/transition.ts';
import type { Family } from '../net/address.ts';
import type { DeployedService, Deployment } from './deployment.ts';

const FAMILIES = [4, 6] as const;

/**
 * The deployment by which another one is to be reached so that packets which see half of each are right (`preparation.ts`);
 * `undefined` where there is nothing to prepare.
 */
export function prepare(before: Deployment, after: Deployment): Deployment | undefined {
  const known = new Map(before.services.map((deployed) => [deployed.service.name, deployed]));
  const services = after.services.map((deployed) => {
    const was = known.get(deployed.service.name);
    return was ? prepareService(was, deployed) : deployed;
  });
  return services.some((deployed, index) => deployed !== after.services[index]) ? { ...after, services } : undefined;
}

function prepareService(before: DeployedService, after: DeployedService): DeployedService {
  const isPresent = (server: string) => after.servers.some(({ name }) => name === server);
  const lossless = before.transition && withoutLoss(before.transition, after.transition, isPresent);
  const transition = lossless ?? after.transition;
  if (!transition) return after;
  const prepared = prepareTables(before, after, transition);
  if (!prepared) return lossless ? { ...after, transition: lossless } : after;
  return { ...after, ...prepared };
}

/** The slots that are to be held; families that share everything go on sharing it, since names depend on that. */
function prepareTables(
  before: DeployedService,
  after: DeployedService,
  transition: Transition,
): Pick<Required<DeployedService>, 'tables' | 'transition'> | undefined {
  const [prepared4, prepared6] = FAMILIES.map((family) => prepareFamily(before, after, transition, family));
  const isShared =
    before.tables[4] === before.tables[6] &&
    after.tables[4] === after.tables[6] &&
    transition.tables[4] === transition.tables[6] &&
    before.transition?.tables[4] === before.transition?.tables[6];
  const prepared = { 4: prepared4, 6: isShared ? prepared4 : prepared6 };
  const held = FAMILIES.filter((family) => prepared[family]);
  if (held.length === 0) return undefined;
  const choose = <T>(of: (slots: PreparedSlots) => T): Partial<Record<(typeof FAMILIES)[number], T>> =>
    Object.fromEntries(held.flatMap((family) => (prepared[family] ? [[family, of(prepared[family])]] : [])));
  return {
    tables: { ...after.tables, ...choose(({ table }) => table) },
    transition: { ...transition, tables: { ...transition.tables, ...choose(({ histories }) => histories) } },
  };
}

function prepareFamily(
  before: DeployedService,
  after: DeployedService,
  transition: Transition,
  family: Family,
): PreparedSlots | undefined {
  const [was, is, moved] = [before.tables[family], after.tables[family], transition.tables[family]];
  if (!was || !is || !moved || was.length !== is.length) return undefined;
  const ownersOf = (table: Uint16Array, { servers }: DeployedService) => ({
    table,
    names: servers.map(({ name }) => name),
  });
  return prepareSlots(ownersOf(was, before), before.transition?.tables[family], ownersOf(is, after), moved);
}
