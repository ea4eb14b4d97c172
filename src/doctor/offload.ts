import { parseUci } from '../config/uci.ts';
import { type Finding, mendByHand } from './finding.ts';
import type { Firewall } from './firewall.ts';

/** By whether hardware does it: of that the kernel sees no packet, while software comes behind the fast path. */
const WHY = {
  true: 'A connection that it had before the service began, such as one of a port forward, stays where it is until it ends.',
  false: 'It is told for completeness: nothing changes for services.',
};
/** What UCI takes for yes. */
const YES = ['1', 'on', 'true', 'yes', 'enabled'];

/**
 * Who forwards known connections past the firewall: by flow tables that there are, else by the firewall's configuration
 * (`/etc/config/firewall`), where it has not come into force, or no longer is. No fault: services take no part in it.
 */
export function examineOffload({ flowtables }: Pick<Firewall, 'flowtables'>, configuration?: string): Finding[] {
  const found = flowtables.map(({ name, hardware }) =>
    finding(
      hardware,
      `the ${hardware ? 'hardware' : 'kernel'} forwards known connections past the firewall (flow table '${name}')`,
    ),
  );
  if (found.length > 0 || configuration === undefined) return found;
  const { sections } = parseUci(configuration, 'firewall');
  const isOn = (option: string) =>
    sections.some(
      ({ type, options }) => type === 'defaults' && YES.includes(options.get(option)?.values[0]?.text ?? ''),
    );
  if (!isOn('flow_offloading')) return [];
  const hardware = isOn('flow_offloading_hw');
  const name = hardware ? 'flow_offloading_hw' : 'flow_offloading';
  return [
    finding(
      hardware,
      `the firewall's configuration has known connections forwarded past it (option ${name}), and there is no flow table: it was not loaded since, or the kernel has none`,
    ),
  ];
}

function finding(hardware: boolean, what: string): Finding {
  const option = hardware ? 'flow_offloading_hw' : 'flow_offloading';
  return {
    id: 'flow-offload',
    severity: 'information',
    what,
    why: WHY[`${hardware}`],
    mend: mendByHand(`uci set firewall.@defaults[0].${option}=0`, 'uci commit firewall', 'service firewall reload'),
  };
}
