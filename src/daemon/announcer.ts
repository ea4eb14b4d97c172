import { channelsOf, meaningOfSlots } from '../channel/place.ts';
import { RouterEnd } from '../channel/router-end.ts';
import type { Reporter, RouterOutcome, WantedTable } from '../channel/router-end.ts';
import { noRefusals } from '../channel/freshness.ts';
import type { Refusal, Refusals } from '../channel/freshness.ts';
import { Seal } from '../channel/seal.ts';
import type { Authenticator } from '../channel/seal.ts';
import type { Model } from '../config/model.ts';
import { isFlooded } from '../config/model.ts';
import type { Deployment } from '../deployment/deployment.ts';
import type { Fleet } from '../membership/fleet.ts';
import type { Family } from '../net/address.ts';
import type { DeviceReference } from '../network/state.ts';
import type { ServiceReport } from '../watchdog/report-prober.ts';

/** Where messages go; `src/host/channel-socket.ts` is the real one. */
export interface ChannelLine {
  send(datagram: Uint8Array): void;
  /** Whether what servers report is heard from now on. */
  hearReports(areWanted: boolean): void;
  close(): void;
}

export interface AnnouncerOptions {
  /** Milliseconds of a clock that only goes forward. */
  readonly clock: () => number;
  readonly startTimer: (callback: () => void, delay: number) => { cancel(): void };
  /** Random, not 0. */
  readonly randomLife: () => bigint;
  readonly authenticator: Authenticator;
  /** Opens a channel on a device; throws where that cannot be. */
  readonly open: (
    place: {
      readonly device: DeviceReference;
      readonly family: Family;
      readonly port: number;
      readonly withoutReports?: boolean;
    },
    received: (datagram: Uint8Array) => void,
  ) => ChannelLine;
  /** One line for the log. */
  readonly log: (line: string) => void;
  /** A server has told how its services are. */
  readonly reported: (server: string, health: readonly ServiceReport[]) => void;
}

/** What is in force. */
export interface InForce {
  readonly model: Model;
  readonly deployment: Deployment;
  readonly fleet: Fleet;
}

interface Channel {
  /** Equal for the same key, family and port: then the epoch goes on, on another device if need be. */
  readonly identity: string;
  readonly end: RouterEnd;
  ifindex: number;
  line: ChannelLine | undefined;
  timer: { cancel(): void } | undefined;
  /** What was wanted last. */
  wanted: string;
  tables: readonly unknown[];
}

/** Tells the servers who has which slots, and hears what they report: on each device where services want either. */
export class Announcer {
  readonly #options: AnnouncerOptions;
  /** By device, as the configuration names it. */
  readonly #channels = new Map<string, Channel>();

  constructor(options: AnnouncerOptions) {
    this.#options = options;
  }

  /** Takes what is in force now. */
  update({ model, deployment, fleet }: InForce): void {
    const channels = channelsOf(model);
    for (const [device, channel] of this.#channels) if (!channels.has(device)) this.#close(device, channel);
    for (const [device, { services, family }] of channels) {
      const link = deployment.services.find(({ service }) => service.device === device)?.device;
      if (!link) continue;
      const channel = this.#channel(device, link, family, model);
      const squads = services.flatMap(({ name }) => fleet.get(name) ?? []);
      const servers = squads.flatMap(({ members }) => members.map(({ server }) => server.name));
      const tables = squads.flatMap(({ roster: { service }, tables }): WantedTable[] => {
        if (!isFlooded(service)) return [];
        const members = service.servers.map(({ name }) => name);
        return ([4, 6] as const).flatMap((of) => {
          const owners = tables[of];
          return owners ? { service: service.name, family: of, members, owners, meaning: meaningOfSlots(service) } : [];
        });
      });
      this.#want(channel, tables, [...new Set(servers)]);
    }
  }

  /** What a server has told, if it has. */
  reporter(server: string): Reporter | undefined {
    for (const { end } of this.#channels.values()) {
      const found = end.reporter(server);
      if (found) return found;
    }
    return undefined;
  }

  /** Datagrams refused so far; `undefined` where there is no channel. */
  refusals(): Refusals | undefined {
    if (this.#channels.size === 0) return undefined;
    const sum = noRefusals();
    for (const { end } of this.#channels.values()) {
      for (const reason of Object.keys(sum) as Refusal[]) sum[reason] += end.refusals[reason];
    }
    return sum;
  }

  /** Idempotent. */
  close(): void {
    for (const [device, channel] of this.#channels) this.#close(device, channel);
  }

  #channel(device: string, link: DeviceReference, family: Family, { globals }: Model): Channel {
    const { key = '', channelPort: port } = globals;
    const identity = JSON.stringify([key, family, port]);
    let channel = this.#channels.get(device);
    if (channel && channel.identity !== identity) {
      this.#close(device, channel);
      channel = undefined;
    }
    if (!channel) {
      const { randomLife, clock, authenticator } = this.#options;
      const end = new RouterEnd({ seal: new Seal(key, authenticator), epoch: randomLife(), now: clock() });
      channel = { identity, end, ifindex: 0, line: undefined, timer: undefined, wanted: '', tables: [] };
      this.#channels.set(device, channel);
    }
    if (channel.ifindex !== link.ifindex || !channel.line) this.#open(channel, link, family, port);
    return channel;
  }

  #open(channel: Channel, link: DeviceReference, family: Family, port: number): void {
    channel.line?.close();
    channel.line = undefined;
    const place = { device: { name: link.name, ifindex: link.ifindex }, family, port };
    try {
      channel.line = this.#options.open(place, (datagram) => {
        this.#took(channel, channel.end.receive(datagram, this.#options.clock()));
      });
      channel.ifindex = link.ifindex;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.log(`no channel to the servers on ${link.name}: ${reason}`);
    }
  }

  #want(channel: Channel, tables: readonly WantedTable[], servers: readonly string[]): void {
    const wanted = JSON.stringify([
      tables.map(({ service, family, members, meaning }) => [service, family, members, meaning]),
      servers,
    ]);
    const owners = tables.map((table) => table.owners);
    const isSame = channel.tables.length === owners.length && owners.every((table, at) => table === channel.tables[at]);
    if (isSame && wanted === channel.wanted) return;
    channel.wanted = wanted;
    channel.tables = owners;
    this.#took(channel, channel.end.want({ tables, servers }, this.#options.clock()));
  }

  #took(channel: Channel, { messages, reported }: RouterOutcome): void {
    for (const message of messages) channel.line?.send(message);
    this.#arm(channel);
    if (reported !== undefined) this.#options.reported(reported, channel.end.reporter(reported)?.health ?? []);
  }

  #arm(channel: Channel): void {
    channel.timer?.cancel();
    const { clock, startTimer } = this.#options;
    const now = clock();
    channel.timer = startTimer(
      () => this.#took(channel, channel.end.advance(clock())),
      Math.max(channel.end.next(now) - now, 0),
    );
  }

  #close(device: string, channel: Channel): void {
    channel.timer?.cancel();
    channel.line?.close();
    this.#channels.delete(device);
  }
}
