// How entries of a dump are counted by what they hold: for the part of the host that does it where they lie.

/** Types of attributes, each in the one before. */
export type Path = readonly number[];

/** What of an entry makes the key by which it is counted. */
export interface TallyPlan {
  /** Length of the header of the message's family. */
  readonly header: number;
  /** Where a message has a list of entries; empty: it is one. */
  readonly list: Path;
  /** A byte that says which entries count, and the most that it may be; those that do not have it count. Empty: all count. */
  readonly limit: { readonly path: Path; readonly most: number };
  /** The parts, one behind the other; what an entry does not have is zeros. */
  readonly key: readonly { readonly path: Path; readonly length: number }[];
}

/** Keys from `first` to `last`, compared byte by byte. */
export interface KeyRange {
  readonly first: Uint8Array;
  readonly last: Uint8Array;
}

/** A dump whose entries are counted. */
export interface TallyQuestion<Range extends KeyRange = KeyRange> {
  /** Type and payload of the request. */
  readonly type: number;
  readonly payload: Uint8Array;
  readonly plan: TallyPlan;
  /** Ascending, and none in another. */
  readonly ranges: readonly Range[];
}

/** As `tally` of the runtime wants it. */
export function encodePlan({ header, list, limit, key }: TallyPlan): Uint8Array {
  const counted = (path: Path) => [path.length, ...path];
  return Uint8Array.from([
    ...[header, ...counted(list), ...counted(limit.path), limit.most],
    ...key.flatMap(({ path, length }) => [length, ...counted(path)]),
  ]);
}

/** Likewise. */
export function encodeRanges(ranges: readonly KeyRange[]): Uint8Array {
  const length = ranges[0]?.first.length ?? 0;
  const bytes = new Uint8Array(2 * length * ranges.length);
  ranges.forEach(({ first, last }, index) => {
    bytes.set(first, 2 * length * index);
    bytes.set(last, 2 * length * index + length);
  });
  return bytes;
}

/** In the order of their first keys. */
export function sortRanges<Range extends KeyRange>(ranges: readonly Range[]): Range[] {
  return [...ranges].sort((one, other) => compareBytes(one.first, other.first));
}

function compareBytes(one: Uint8Array, other: Uint8Array): number {
  const at = one.findIndex((byte, index) => byte !== other[index]);
  return at < 0 ? 0 : (one[at] ?? 0) - (other[at] ?? 0);
}
