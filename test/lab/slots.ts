import type { Namespace } from './namespace.ts';

/** Slots of a service by the server that the kernel's table names: of one family's map, where the families have their own. */
export async function kernelSlots(router: Namespace, service: string): Promise<Map<string, number>> {
  const { nftables } = JSON.parse(await router.run(['nft', '-j', 'list', 'table', 'netdev', 'oneip'])) as {
    nftables: {
      map?: { name: string; elem?: [unknown, { goto?: { target: string }; jump?: { target: string } }][] };
    }[];
  };
  const names = ['slot', 'slot4', 'slot6'].map((name) => `${service}/${name}`);
  const map = nftables.map((object) => object.map).find((found) => found && names.includes(found.name));
  if (!map) throw new Error(`no slots of '${service}' in the kernel`);
  const slots = new Map<string, number>();
  for (const [, verdict] of map.elem ?? []) {
    const target = verdict.goto?.target ?? verdict.jump?.target ?? '';
    const server = target.slice(target.lastIndexOf('/') + 1);
    slots.set(server, (slots.get(server) ?? 0) + 1);
  }
  return slots;
}
