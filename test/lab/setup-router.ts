import { ghostPlaces } from './addresses.ts';
import { LabBus } from './bus.ts';
import { withLab, type Lab } from './lab.ts';
import type { TopologyOptions } from './topology.ts';

/** A configuration without a service, as it was written by hand. */
export const untouched = `# My router.

config globals 'globals'
	option enabled '1'   # as ever
`;

/** The only address of the logical interface `wan`. */
export const setupAddress = ghostPlaces.router[4];

/** A router with a daemon that has nothing to do, and a bus that knows its interfaces. */
export async function withRouter(
  options: TopologyOptions,
  config: string,
  body: (lab: Lab, bus: LabBus) => Promise<void>,
): Promise<void> {
  await withLab({ servers: 2, bareServers: true, ...options }, async (lab) => {
    const bus = await LabBus.start(lab.daemon.ubusSocket, {});
    bus.setAddresses('wan', [setupAddress]);
    bus.setDevice('wan', 'wan');
    bus.setDevice('lan', 'br-lan');
    try {
      await lab.daemon.start(config);
      await body(lab, bus);
    } finally {
      await bus.stop();
    }
  });
}
