import { isFlooded } from '../config/model.ts';
import type { Family } from '../net/address.ts';
import type { FilteredService } from './filter.ts';
import type { Identity } from './identity.ts';
import type { Attachment } from './machine.ts';
import type { OwnedSlots } from './ownership.ts';
import { ghostsOf } from './wanted.ts';

/** What a server has in force, as `oneip server --status --json` prints it. */
export interface ServerStatus {
  readonly server: string;
  /** Devices by which it gets its packets; empty while it has none of its own addresses. */
  readonly devices: readonly string[];
  readonly ghosts: readonly string[];
  readonly services: readonly ServiceStatus[];
}

export interface ServiceStatus {
  readonly name: string;
  readonly dispatch: string;
  /** Slots that it takes clients of, by family, where it gets everybody's packets; else the router decides. */
  readonly slots?: Readonly<Partial<Record<`ipv${Family}`, number>>>;
  /** Entries of the table. */
  readonly of?: number;
  /** What began here since the filter was loaded, in packets. */
  readonly taken?: number;
}

/** What is in force, in the daemon's own words. */
export function serverStatus(state: {
  readonly identity: Identity;
  readonly attachment: Attachment;
  readonly filtered: readonly FilteredService[];
}): ServerStatus {
  const { identity, attachment, filtered } = state;
  const attached = [...new Set(Object.values(attachment).map(({ name }) => name))];
  return {
    server: identity.server.name,
    devices: attached,
    ghosts: attached.length > 0 ? ghostsOf(identity).map(({ text }) => text) : [],
    services: identity.services.map((service): ServiceStatus => {
      const { name, dispatch, slots } = service;
      if (!isFlooded(service)) return { name, dispatch };
      const owned = filtered.find((entry) => entry.service.name === name)?.owned ?? {};
      return { name, dispatch, slots: countSlots(owned), of: slots };
    }),
  };
}

/** The same as text, for the file that tells others. */
export function formatServerState(state: Parameters<typeof serverStatus>[0]): string {
  return `${JSON.stringify(serverStatus(state))}\n`;
}

function countSlots(owned: OwnedSlots): Partial<Record<`ipv${Family}`, number>> {
  const counts: Partial<Record<`ipv${Family}`, number>> = {};
  for (const family of [4, 6] as const) {
    const slots = owned[family];
    if (slots) counts[`ipv${family}`] = slots.reduce((sum, isOurs) => sum + isOurs, 0);
  }
  return counts;
}

/** For people; `missing` are the commands that would make right what is not. */
export function describeServer(status: ServerStatus, missing: readonly string[]): string {
  const { server, devices, ghosts, services } = status;
  const lines = [
    `server     ${server}`,
    `devices    ${devices.join(', ') || 'none: it has none of its addresses'}`,
    `ghosts     ${ghosts.join(', ') || 'none'}`,
    ...services.map(({ name, dispatch, slots, of, taken }) => {
      const shares = Object.entries(slots ?? {}).map(([family, count]) => `${count} of ${of} slots (${family})`);
      const count = taken === undefined ? [] : [`taken ${taken}`];
      return `service    ${[name, dispatch, ...shares, ...count].join(', ')}`;
    }),
    ...(missing.length === 0 ? ['in force'] : ['not in force:', ...missing.map((line) => `  ${line}`)]),
  ];
  return lines.map((line) => `${line}\n`).join('');
}
