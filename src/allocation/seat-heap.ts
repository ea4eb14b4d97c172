/**
 * Those who hold a server's seats: a binary heap in a part of `heap` that begins at `start`, with the lowest bid on top; of
 * equal bids the lower bidder. Plain functions over typed arrays, since the auction spends most of its time here.
 */
export interface SeatHeap {
  /** Bidders, server after server. */
  readonly heap: Uint16Array;
  /** Bid of each bidder. */
  readonly bids: Int32Array;
}

/** Adds a bidder to the `count` that are there. */
export function addBidder({ heap, bids }: SeatHeap, start: number, count: number, bidder: number): void {
  const bid = bids[bidder] as number;
  let at = count;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[start + parent] as number;
    const difference = bid - (bids[above] as number);
    if (difference > 0 || (difference === 0 && bidder > above)) break;
    heap[start + at] = above;
    at = parent;
  }
  heap[start + at] = bidder;
}

/** Puts a bidder, whose bid must be higher, in place of the lowest one, which is returned. */
export function replaceLowest({ heap, bids }: SeatHeap, start: number, count: number, bidder: number): number {
  const bid = bids[bidder] as number;
  const lowest = heap[start] as number;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= count) break;
    let below = heap[start + child] as number;
    if (child + 1 < count) {
      const other = heap[start + child + 1] as number;
      const difference = (bids[other] as number) - (bids[below] as number);
      if (difference < 0 || (difference === 0 && other < below)) {
        below = other;
        child++;
      }
    }
    const difference = (bids[below] as number) - bid;
    if (difference > 0 || (difference === 0 && below > bidder)) break;
    heap[start + at] = below;
    at = child;
  }
  heap[start + at] = bidder;
  return lowest;
}
