import type { ServerLoad, ServiceHealth } from '../channel/message.ts';
import { channelFor } from '../channel/place.ts';
import { Seal } from '../channel/seal.ts';
import { ServerEnd } from '../channel/server-end.ts';
import type { ServerOutcome, SlotOwners, Standing } from '../channel/server-end.ts';
import type { Model, Service } from '../config/model.ts';
import { isFlooded } from '../config/model.ts';
import { slotTables } from '../deployment/slot-tables.ts';
import type { Family } from '../net/address.ts';
import type { Identity } from '../server/identity.ts';
import { KernelLease } from '../server/lease.ts';
import type { Attachment } from '../server/machine.ts';
import type { OwnedSlots } from '../server/ownership.ts';
import type { AnnouncerOptions, ChannelLine } from './announcer.ts';

/** Milliseconds between looks at this server's own health and load: one a report. */
const LOOK_INTERVAL = 500;

export interface ListenerOptions extends Pick<
  AnnouncerOptions,
  'clock' | 'startTimer' | 'randomLife' | 'authenticator' | 'open' | 'log'
> {
  readonly healthOf: (services: readonly Service[]) => readonly ServiceHealth[];
  readonly loadOf: () => ServerLoad;
  /** Slots of a service that are this server's now. Throws where the kernel does not take them. */
  readonly setOwned: (service: string, owned: OwnedSlots) => void;
  /** Has the kernel take what begins here for so many milliseconds from now, whatever becomes of this process. Throws, too. */
  readonly lease: (milliseconds: number) => void;
}

/** This server, and where it is. */
export interface Situation {
  readonly model: Model;
  readonly identity: Identity;
  readonly attachment: Attachment;
}

interface Channel {
  /** Equal for the same key, family, port and server. */
  readonly identity: string;
  readonly end: ServerEnd;
  readonly family: Family;
  ifindex: number;
  line: ChannelLine | undefined;
  timer: { cancel(): void } | undefined;
  /** Whether others' reports are heard. */
  hears: boolean;
}

/** A server's part in the channel: hears who has which slots, and reports. */
export class Listener {
  readonly #options: ListenerOptions;
  #channel: Channel | undefined;
  #situation: Situation | undefined;
  #lookAt = 0;
  #told: { readonly health: readonly ServiceHealth[]; readonly load?: ServerLoad } = { health: [] };
  /** What `setOwned` was told last, by service. */
  readonly #owned = new Map<string, OwnedSlots>();
  /** What this server has of a table, as long as the table is in force. */
  #shares = new WeakMap<SlotOwners, Uint8Array>();
  readonly #lease = new KernelLease();
  /** The kernel lacks what the channel says. */
  #failed = false;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  /** Takes the configuration, and where this machine is attached, as they are now. */
  update(situation: Situation): void {
    const { model, identity, attachment } = situation;
    const isSame = this.#situation?.identity === identity;
    this.#situation = situation;
    const place = channelFor(model, identity.services);
    const { key, channelPort: port } = model.globals;
    const link = place && attachment[place.family];
    if (!place || key === undefined) return this.#close();
    const name = JSON.stringify([key, place.family, port, identity.server.name]);
    if (this.#channel?.identity !== name) {
      this.#close();
      const { clock, randomLife, authenticator } = this.#options;
      const end = new ServerEnd({
        ...{ server: identity.server.name, seal: new Seal(key, authenticator), session: randomLife() },
        ...{ configured: () => this.#configured(), now: clock() },
      });
      this.#channel = {
        identity: name,
        end,
        family: place.family,
        ifindex: 0,
        line: undefined,
        timer: undefined,
        hears: false,
      };
    } else if (!isSame) this.#took(this.#channel.end.configure(() => this.#configured(), this.#options.clock()));
    const channel = this.#channel;
    if (link && (channel.ifindex !== link.ifindex || !channel.line)) this.#open(channel, link, port);
    // The filter may have been loaded anew.
    this.#lease.forget();
    this.#failed = !this.#tell();
    this.#arm(channel);
  }

  /** How this server stands to the router, and what it last told of itself; `undefined` where there is no channel. */
  standing(): (Standing & { readonly load?: ServerLoad; readonly health: readonly ServiceHealth[] }) | undefined {
    const end = this.#channel?.end;
    return end && { ...end.standing(this.#options.clock()), ...this.#told };
  }

  /** Idempotent. */
  close(): void {
    this.#close();
  }

  #close(): void {
    this.#channel?.timer?.cancel();
    this.#channel?.line?.close();
    this.#channel = undefined;
    this.#owned.clear();
    // Who this server is may be another matter from now on.
    this.#shares = new WeakMap();
  }

  #open(channel: Channel, link: { readonly name: string; readonly ifindex: number }, port: number): void {
    channel.line?.close();
    channel.line = undefined;
    const device = { name: link.name, ifindex: link.ifindex };
    try {
      channel.line = this.#options.open({ device, family: channel.family, port, withoutReports: true }, (datagram) => {
        this.#took(channel.end.receive(datagram, this.#options.clock()));
        this.#arm(channel);
      });
      channel.ifindex = link.ifindex;
      channel.hears = false;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.log(`no channel to the router on ${link.name}: ${reason}`);
    }
  }

  #flooded(): Service[] {
    return this.#situation?.identity.services.filter(isFlooded) ?? [];
  }

  /** What the configuration gives whom while all servers are up. */
  #configured(): SlotOwners[] {
    return this.#flooded().flatMap((service) => {
      const tables = slotTables(service);
      const members = service.servers.map(({ name }) => name);
      return ([4, 6] as const).flatMap((family) => {
        const owners = tables[family];
        return owners ? { service: service.name, family, members, owners } : [];
      });
    });
  }

  #took({ messages, changed }: ServerOutcome): void {
    const channel = this.#channel;
    if (!channel) return;
    const hears = channel.end.wantsReports(this.#options.clock());
    if (channel.hears !== hears) channel.line?.hearReports(hears);
    channel.hears = hears;
    // First the kernel: what is reported to be held, and to be held no more, must be so.
    this.#failed = changed || this.#failed ? !this.#tell() : !this.#renew();
    if (this.#failed) return;
    for (const message of messages) channel.line?.send(message);
  }

  /** Brings the kernel to what the channel says; false where it does not take it, and then nothing must be reported. */
  #tell(): boolean {
    const end = this.#channel?.end;
    const name = this.#situation?.identity.server.name;
    if (!end || name === undefined) return true;
    const tables = end.tables();
    try {
      for (const { name: service } of this.#flooded()) {
        const owned: Partial<Record<Family, Uint8Array>> = {};
        for (const table of tables) {
          if (table.service !== service) continue;
          owned[table.family] = this.#shareOf(table, name);
        }
        const known = this.#owned.get(service);
        if (known && isEqual(known[4], owned[4]) && isEqual(known[6], owned[6])) continue;
        this.#owned.delete(service);
        this.#options.setOwned(service, owned);
        this.#owned.set(service, owned);
      }
      return this.#renew();
    } catch (error) {
      this.#options.log(error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  /** Tells the kernel how long the slots are held, where it has to be told; false where it does not take it. */
  #renew(): boolean {
    const end = this.#channel?.end;
    if (!end || this.#flooded().length === 0) return true;
    const time = this.#lease.renew(end.heldUntil(), this.#options.clock());
    if (time === undefined) return true;
    try {
      this.#options.lease(time);
      return true;
    } catch (error) {
      this.#lease.forget();
      this.#options.log(error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  #shareOf(table: SlotOwners, name: string): Uint8Array {
    const known = this.#shares.get(table);
    if (known) return known;
    const { members, owners } = table;
    const share = new Uint8Array(owners.length);
    const own = members.indexOf(name);
    for (let slot = 0; slot < share.length; slot++) if (owners[slot] === own) share[slot] = 1;
    this.#shares.set(table, share);
    return share;
  }

  #arm(channel: Channel): void {
    if (channel !== this.#channel) return;
    channel.timer?.cancel();
    const { clock, startTimer } = this.#options;
    const delay = Math.max(Math.min(channel.end.next(), this.#lookAt) - clock(), 0);
    channel.timer = startTimer(() => {
      const now = clock();
      if (now >= this.#lookAt) this.#look(channel, now);
      this.#took(channel.end.advance(clock()));
      this.#arm(channel);
    }, delay);
  }

  #look(channel: Channel, now: number): void {
    this.#lookAt = now + LOOK_INTERVAL;
    const services = this.#situation?.identity.services ?? [];
    const health = this.#options.healthOf(services);
    const load = this.#options.loadOf();
    this.#told = { health, load };
    this.#took(channel.end.observe(health, load, now));
  }
}

function isEqual(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  if (one === other || one === undefined || other === undefined) return one === other;
  if (one.length !== other.length) return false;
  for (let slot = 0; slot < one.length; slot++) if (one[slot] !== other[slot]) return false;
  return true;
}
