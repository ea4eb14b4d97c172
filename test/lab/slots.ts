import type { Namespace } from './namespace.ts';

/** The server of each slot of a service that the kernel's table names: of one family's map, where the families have their own. */
export async function kernelOwners(router: Namespace, service: string): Promise<string[]> {
  const { nftables } = JSON.parse(await router.run(['nft', '-j', 'list', 'table', 'netdev', 'oneip'])) as {
    nftables: {
      map?: { name: string; elem?: [number, { goto?: { target: string }; jump?: { target: string } }][] };
    }[];
  };
  const names = ['slot', 'slot4', 'slot6'].map((name) => `${service}/${name}`);
  const map = nftables.map((object) => object.map).find((found) => found && names.includes(found.name));
  if (!map) throw new Error(`no slots of '${service}' in the kernel`);
  const owners: string[] = [];
  for (const [slot, verdict] of map.elem ?? []) {
    const target = verdict.goto?.target ?? verdict.jump?.target ?? '';
    owners[slot] = target.slice(target.lastIndexOf('/') + 1);
  }
  return owners;
}

/** Slots of a service by the server that has them, likewise. */
export async function kernelSlots(router: Namespace, service: string): Promise<Map<string, number>> {
  const slots = new Map<string, number>();
  for (const server of await kernelOwners(router, service)) slots.set(server, (slots.get(server) ?? 0) + 1);
  return slots;
}
