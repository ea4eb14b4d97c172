import { NOBODY } from './message.ts';

/** What the router knows of a server at a moment, apart from what it has acknowledged. */
export interface Attendance {
  /** Silent for so long that it holds nothing any more, or is dead. */
  readonly isGone: (server: string) => boolean;
  /** Some server has not told yet what it holds: nothing is granted. */
  readonly isIncomplete: boolean;
}

/** A table as it is announced. */
export interface Announced {
  /** 0: nothing has been announced yet. */
  readonly version: number;
  readonly members: readonly string[];
  /** Index into `members`, or `NOBODY`. */
  readonly owners: Uint16Array;
}

/** What one server may believe to hold. */
interface Holder {
  readonly name: string;
  /** The lowest version that it may be at. */
  base: number;
  /** What it has from before this epoch; 1 where a slot is its own. */
  inherited: Uint16Array | undefined;
}

/**
 * Moves the slots of one table from owner to owner so that no two servers hold a slot at the same time, as they themselves
 * believe. A slot that moves is released first: announced as nobody's. Only when everybody who may still hold it has
 * acknowledged that version, or a later one, or is gone, it is granted to its new owner. Any number of changes may overlap:
 * what is wanted now is all that counts.
 *
 * Who may hold a slot: its announced owner, and whoever owned it in a version from the server's last acknowledged one on.
 * For this every slot in motion has a list of its former owners, each with the last version in which it owned the slot.
 */
export class Handover {
  #version = 0;
  /** Version up to which slots meant something else, so that whoever may be at it may hold any of them. */
  #barrier = -1;
  /** Everybody who was ever a member; places in it never change. */
  readonly #holders: Holder[] = [];
  readonly #places = new Map<string, number>();
  /** By slot: places in `#holders`, or `NOBODY`. */
  #wanted: Uint16Array;
  #announced: Uint16Array;
  /** By slot, of those that may be held by others than their announced owner: last version of each former owner. */
  readonly #former = new Map<number, Map<number, number>>();
  /** Slots whose announced owner is not the wanted one. */
  readonly #moving = new Set<number>();
  /** What the last `advance` was told, if nothing has happened since. */
  #told: string | undefined;
  /** What is announced beside the owners is another. */
  #isRevised = false;

  constructor(slots: number) {
    this.#wanted = new Uint16Array(slots).fill(NOBODY);
    this.#announced = new Uint16Array(slots).fill(NOBODY);
  }

  get slots(): number {
    return this.#wanted.length;
  }

  get version(): number {
    return this.#version;
  }

  /** True where every slot is announced as it is wanted, and all that belongs to it. */
  get isSettled(): boolean {
    return this.#version > 0 && this.#moving.size === 0 && !this.#isRevised;
  }

  /** True where everybody who is not gone has acknowledged the version announced. */
  isAcknowledged(isGone: Attendance['isGone']): boolean {
    return this.#holders.every(({ name, base }) => base >= this.#version || isGone(name));
  }

  /** Sets who shall have each slot: indexes into `members`, or `NOBODY`. `advance` then does what can be done. */
  want(members: readonly string[], owners: Uint16Array): void {
    this.#told = undefined;
    const places = members.map((name) => this.#place(name));
    this.#wanted = owners.map((owner) => places[owner] ?? NOBODY);
    this.#moving.clear();
    this.#wanted.forEach((place, slot) => {
      if (place !== this.#announced[slot]) this.#moving.add(slot);
    });
  }

  /** What is announced beside the owners has changed: another version shall tell of it. */
  revise(): void {
    this.#isRevised = true;
    this.#told = undefined;
  }

  /** Begins anew where slots mean something else now: all are released, whoever has them. */
  reset(slots: number): void {
    this.#barrier = this.#version;
    this.#wanted = new Uint16Array(slots).fill(NOBODY);
    this.#announced = new Uint16Array(slots).fill(NOBODY);
    this.#former.clear();
    this.#moving.clear();
  }

  /**
   * A server has told what it holds: a version of this epoch; or none (0), and then what it still has from before, if
   * anything.
   */
  acknowledge(server: string, version: number, inherited?: Uint16Array): void {
    const holder = this.#holders[this.#place(server)];
    if (!holder) return;
    const still = version === 0 ? inherited : undefined;
    const isNews = version > holder.base || !isEqual(still, holder.inherited);
    // A version that was never announced says nothing.
    if (version <= this.#version) holder.base = Math.max(holder.base, version);
    holder.inherited = still;
    if (isNews) this.#told = undefined;
  }

  /** Releases and grants what can be released and granted now. True where there is a new version to announce. */
  advance({ isGone, isIncomplete }: Attendance): boolean {
    // At the start of an epoch servers go on with what they have until everybody has told what that is.
    if (this.#version === 0 && isIncomplete) return false;
    const gone = this.#holders.map(({ name }) => isGone(name));
    const told = `${isIncomplete} ${gone.join()}`;
    if (told === this.#told) return false;
    this.#told = told;
    // What was announced before a reset holds until another version is.
    let changed = this.#version === 0 || this.#version === this.#barrier || (this.#isRevised && !isIncomplete);
    if (!isIncomplete) this.#findTaken(gone);
    for (const slot of this.#moving) {
      const wanted = this.#wanted[slot] ?? NOBODY;
      const owner = this.#announced[slot] ?? NOBODY;
      if (owner !== NOBODY) {
        this.#release(slot, owner);
        changed = true;
      }
      if (wanted === NOBODY) this.#moving.delete(slot);
      else if (!isIncomplete && this.#isFree(slot, wanted, gone)) {
        this.#announced[slot] = wanted;
        this.#former.delete(slot);
        this.#moving.delete(slot);
        changed = true;
      }
    }
    if (!changed) return false;
    this.#version++;
    this.#isRevised = false;
    // Who is gone now takes nothing older than this when it is back.
    this.#holders.forEach((holder, place) => {
      if (!gone[place]) return;
      holder.base = this.#version;
      holder.inherited = undefined;
    });
    return true;
  }

  /** The table as it is to be announced, with the members that own something in it. */
  announced(): Announced {
    const indexes = new Map<number, number>();
    const owners = this.#announced.map((place) => {
      if (place === NOBODY) return NOBODY;
      const index = indexes.get(place) ?? indexes.size;
      indexes.set(place, index);
      return index;
    });
    const members = [...indexes.keys()].map((place) => this.#holders[place]?.name ?? '');
    return { version: this.#version, members, owners };
  }

  /** Number of slots that nobody has at the moment though somebody shall have them. */
  get released(): number {
    let count = 0;
    for (const slot of this.#moving) if (this.#announced[slot] === NOBODY) count++;
    return count;
  }

  /** While no router was heard somebody may have taken what is announced as another's, and had not been taken by that one yet. */
  #findTaken(gone: readonly boolean[]): void {
    this.#holders.forEach(({ inherited }, place) => {
      if (gone[place] || inherited?.length !== this.slots) return;
      inherited.forEach((isHeld, slot) => {
        const owner = this.#announced[slot] ?? NOBODY;
        if (isHeld === 1 && owner !== NOBODY && owner !== place) this.#moving.add(slot);
      });
    });
  }

  #release(slot: number, owner: number): void {
    this.#announced[slot] = NOBODY;
    const former = this.#former.get(slot) ?? new Map<number, number>();
    former.set(owner, this.#version);
    this.#former.set(slot, former);
  }

  /** True where nobody but the wanted owner may hold the slot. */
  #isFree(slot: number, wanted: number, gone: readonly boolean[]): boolean {
    const former = this.#former.get(slot);
    return this.#holders.every((holder, place) => {
      if (place === wanted || gone[place]) return true;
      if (holder.base <= this.#barrier) return false;
      // With another number of slots, what it has from before may overlap with any of them.
      if (holder.inherited && (holder.inherited.length !== this.slots || holder.inherited[slot] === 1)) return false;
      const last = former?.get(place);
      return last === undefined || holder.base > last;
    });
  }

  #place(name: string): number {
    const known = this.#places.get(name);
    if (known !== undefined) return known;
    const place = this.#holders.length;
    this.#holders.push({ name, base: 0, inherited: undefined });
    this.#places.set(name, place);
    return place;
  }
}

function isEqual(one: Uint16Array | undefined, other: Uint16Array | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return one.length === other.length && one.every((value, index) => value === other[index]);
}
