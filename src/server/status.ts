import { isFlooded } from '../config/model.ts';
import type { ServerLoad, ServiceHealth } from '../channel/message.ts';
import type { Refusals } from '../channel/freshness.ts';
import type { Hold, Standing } from '../channel/server-end.ts';
import type { Family } from '../net/address.ts';
import type { FilteredService } from './filter.ts';
import type { Identity } from './identity.ts';
import type { Attachment } from './machine.ts';
import { OWN } from './ownership.ts';
import type { OwnedSlots } from './ownership.ts';
import { ghostsOf } from './wanted.ts';

/** What a server has in force, as `oneip server --status --json` prints it. */
export interface ServerStatus {
  readonly server: string;
  /** Devices by which it gets its packets; empty while it has none of its own addresses. */
  readonly devices: readonly string[];
  readonly ghosts: readonly string[];
  readonly services: readonly ServiceStatus[];
  /** Where there is a channel to the router, and the daemon itself has been asked. */
  readonly channel?: ChannelStatus;
}

/** How the server stands to the router, and what it tells it. Times in seconds. */
export interface ChannelStatus {
  readonly hold: Hold;
  /** The router's life that it follows, as 16 hexadecimal digits. */
  readonly epoch?: string;
  /** Since the router was heard. */
  readonly heard?: number;
  /** How long the server may still rely on what it was told; begins anew whenever the router is known to have heard it. */
  readonly lease?: number;
  readonly tables: Standing['tables'];
  /** Messages that were not believed, by reason. */
  readonly refused: Refusals;
  readonly health: readonly ServiceHealth[];
  readonly load?: ServerLoad;
}

/** The part of the status that only the daemon knows. */
export function channelStatus({
  epoch,
  heard,
  lease,
  refusals,
  hold,
  tables,
  health,
  load,
}: Standing & Pick<ChannelStatus, 'health' | 'load'>): ChannelStatus {
  const seconds = (milliseconds: number): number => Math.round(milliseconds) / 1000;
  return {
    hold,
    ...(epoch === undefined ? {} : { epoch: epoch.toString(16).padStart(16, '0') }),
    ...(heard === undefined ? {} : { heard: seconds(heard) }),
    ...(lease === undefined ? {} : { lease: seconds(lease) }),
    ...{ tables, refused: refusals, health },
    ...(load ? { load } : {}),
  };
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
    if (slots) counts[`ipv${family}`] = slots.reduce((sum, state) => sum + (state === OWN ? 1 : 0), 0);
  }
  return counts;
}

/** For people; `missing` are the commands that would make right what is not. */
export function describeServer(status: ServerStatus, missing: readonly string[]): string {
  const { server, devices, ghosts, services, channel } = status;
  const lines = [
    `server     ${server}`,
    `devices    ${devices.join(', ') || 'none: it has none of its addresses'}`,
    `ghosts     ${ghosts.join(', ') || 'none'}`,
    ...services.map(({ name, dispatch, slots, of, taken }) => {
      const shares = Object.entries(slots ?? {}).map(([family, count]) => `${count} of ${of} slots (${family})`);
      const count = taken === undefined ? [] : [`taken ${taken}`];
      return `service    ${[name, dispatch, ...shares, ...count].join(', ')}`;
    }),
    ...(channel ? channelLines(channel) : []),
    ...(missing.length === 0 ? ['in force'] : ['not in force:', ...missing.map((line) => `  ${line}`)]),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

const HOLDS: Readonly<Record<Hold, string>> = {
  waiting: 'waits for the router',
  holding: 'holds its slots',
  fenced: 'has given up its slots: the router is there, and does not hear it',
};

function channelLines({ hold, epoch, heard, lease, tables, refused, health, load }: ChannelStatus): string[] {
  const router = epoch === undefined ? 'no router heard yet' : `router ${epoch}`;
  const since = heard === undefined ? [] : [`heard ${heard.toFixed(1)} s ago`];
  const until = lease === undefined ? [] : [`lease for ${lease.toFixed(1)} s`];
  const counts = Object.entries(refused).filter(([, count]) => count > 0);
  return [
    `channel    ${[HOLDS[hold], router, ...since, ...until].join(', ')}`,
    ...tables.map(({ service, family, version, announced }) => {
      const told = version === 0 ? 'not from this router' : `version ${version}`;
      return `table      ${service} (ipv${family}), ${told}${announced > version ? `, ${announced} is announced` : ''}`;
    }),
    ...health.map(({ service, well, reason }) => `health     ${service}, ${well ? 'well' : 'ill'}: ${reason}`),
    ...(load ? [`load       ${loadText(load)}`] : []),
    ...(counts.length > 0 ? [`refused    ${counts.map(([reason, count]) => `${count} ${reason}`).join(', ')}`] : []),
  ];
}

function loadText({ connections, cpu, script }: ServerLoad): string {
  const told = script === undefined ? [] : [`script ${script}`];
  return [`${connections} connections`, `${Math.round(cpu * 100)} % of the processors`, ...told].join(', ');
}
