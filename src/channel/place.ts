import { isFlooded } from '../config/model.ts';
import type { Model, Service } from '../config/model.ts';
import type { Family } from '../net/address.ts';

/** Services whose servers share a device, and with it a channel. */
export interface ChannelServices {
  readonly services: readonly Service[];
  /** By which the messages go: IPv4 where all servers have an address of it. Known from the configuration alone, so that all agree. */
  readonly family: Family;
}

/** The channels of a configuration, by the device that the services name; none where there is no key. */
export function channelsOf({ globals, services, watchdogs }: Model): Map<string, ChannelServices> {
  const channels = new Map<string, ChannelServices>();
  if (globals.key === undefined || !globals.enabled) return channels;
  for (const device of new Set(services.map((service) => service.device))) {
    const here = services.filter((service) => service.device === device);
    const wantsReports = ({ name }: Service): boolean =>
      watchdogs.some(({ check, services: own }) => check.type === 'report' && (own.length === 0 || own.includes(name)));
    if (!here.some((service) => isFlooded(service) || wantsReports(service))) continue;
    const servers = here.flatMap((service) => [...service.servers, ...service.disabled]);
    channels.set(device, { services: here, family: servers.every(({ address }) => address) ? 4 : 6 });
  }
  return channels;
}

/** The channel of a server, by the services that it takes part in: its addresses are on one network, and so is that. */
export function channelFor(model: Model, services: readonly Service[]): ChannelServices | undefined {
  const channels = channelsOf(model);
  return services.flatMap(({ device }) => channels.get(device) ?? [])[0];
}

/** Equal as long as a slot of the service means the same clients. */
export function meaningOfSlots({ slots, seed, hash, hashPrefix6 }: Service): string {
  return JSON.stringify([slots, seed, hash, hashPrefix6]);
}
