import type { FlowKey } from '../channel/flow.ts';
import type { FlowShare } from '../channel/kept-flows.ts';
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
import { OWN, RELEASING } from '../server/ownership.ts';
import type { OwnedFlows, OwnedSlots } from '../server/ownership.ts';
import type { AnnouncerOptions, ChannelLine } from './announcer.ts';

/** Milliseconds between looks at this server's own health and load: one a report. */
const LOOK_INTERVAL = 500;
/** Milliseconds between looks at which of the flows that go on here in slots of others have ended. */
const FLOW_INTERVAL = 5000;

export interface ListenerOptions extends Pick<
  AnnouncerOptions,
  'clock' | 'startTimer' | 'randomLife' | 'authenticator' | 'open' | 'log'
> {
  readonly healthOf: (services: readonly Service[]) => readonly ServiceHealth[];
  readonly loadOf: () => ServerLoad;
  /** Slots of a service that are this server's now, and the flows that are elsewhere than their slots. Throws where the kernel does not take them. */
  readonly setOwned: (service: string, owned: OwnedSlots, flows: OwnedFlows) => void;
  /** Flows of datagrams of a service that are open here, in the slots with a 1. Throws with the kernel's reason. */
  readonly openFlows: (service: Service, family: Family, slots: Uint8Array) => FlowKey[];
  /** Those of the flows that are not open here any more. Throws, too. */
  readonly endedFlows: (flows: Iterable<FlowKey>) => FlowKey[];
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
  #flowsAt = 0;
  #told: { readonly health: readonly ServiceHealth[]; readonly load?: ServerLoad } = { health: [] };
  /** What `setOwned` was told last, by service. */
  readonly #owned = new Map<string, { readonly owned: OwnedSlots; readonly flows: OwnedFlows }>();
  /** What this server has of a table, as long as the table is in force. */
  #shares = new WeakMap<SlotOwners, { readonly slots: Uint8Array; readonly isReleasing: boolean }>();
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
    this.#keepOpen(channel);
  }

  /** Has what is open in slots that have been let go of go on, now that the kernel takes nothing new there. */
  #keepOpen({ end }: Channel): void {
    for (const { slots, ...table } of end.releasing()) {
      const service = this.#flooded().find(({ name }) => name === table.service);
      try {
        const open = service ? this.#options.openFlows(service, table.family, slots) : [];
        this.#took(end.keep(table, open, this.#options.clock()));
      } catch (error) {
        this.#options.log(error instanceof Error ? error.message : String(error));
      }
    }
  }

  /** Says which of the flows that go on here have ended: whoever has their slots may take them then. */
  #endFlows({ end }: Channel): void {
    for (const table of end.tables()) {
      const { kept } = end.flowsOf(table);
      if (kept.size === 0) continue;
      try {
        const ended = this.#options.endedFlows(kept);
        if (ended.length > 0) this.#took(end.end(table, ended, this.#options.clock()));
      } catch (error) {
        this.#options.log(error instanceof Error ? error.message : String(error));
      }
    }
  }

  /** Brings the kernel to what the channel says; false where it does not take it, and then nothing must be reported. */
  #tell(): boolean {
    const end = this.#channel?.end;
    const name = this.#situation?.identity.server.name;
    if (!end || name === undefined) return true;
    const tables = end.tables();
    const releasing = end.releasing();
    try {
      for (const { name: service } of this.#flooded()) {
        const owned: Partial<Record<Family, Uint8Array>> = {};
        const flows: Partial<Record<Family, FlowShare>> = {};
        for (const table of tables) {
          if (table.service !== service) continue;
          const { family } = table;
          const released = releasing.find((each) => each.service === service && each.family === family);
          owned[family] = this.#shareOf(table, name, released?.slots);
          const { kept, elsewhere } = end.flowsOf(table);
          flows[family] = { kept, elsewhere };
        }
        const known = this.#owned.get(service);
        const isKnown = families.every(
          (family) =>
            isEqual(known?.owned[family], owned[family]) &&
            known?.flows[family]?.kept === flows[family]?.kept &&
            known?.flows[family]?.elsewhere === flows[family]?.elsewhere,
        );
        if (known && isKnown) continue;
        this.#owned.delete(service);
        this.#options.setOwned(service, owned, flows);
        this.#owned.set(service, { owned, flows });
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

  #shareOf(table: SlotOwners, name: string, released: Uint8Array | undefined): Uint8Array {
    const isReleasing = released !== undefined;
    const known = this.#shares.get(table);
    if (known?.isReleasing === isReleasing) return known.slots;
    const { members, owners } = table;
    const share = new Uint8Array(owners.length);
    const own = members.indexOf(name);
    for (let slot = 0; slot < share.length; slot++) {
      if (owners[slot] === own) share[slot] = OWN;
      else if (released?.[slot] === 1) share[slot] = RELEASING;
    }
    this.#shares.set(table, { slots: share, isReleasing });
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
    if (now < this.#flowsAt) return;
    this.#flowsAt = now + FLOW_INTERVAL;
    this.#endFlows(channel);
  }
}

const families = [4, 6] as const;

function isEqual(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  if (one === other || one === undefined || other === undefined) return one === other;
  if (one.length !== other.length) return false;
  for (let slot = 0; slot < one.length; slot++) if (one[slot] !== other[slot]) return false;
  return true;
}
