/** Something that is to happen at a time. Only the heap that holds it writes these. */
export interface Timed {
  /** Milliseconds. */
  at: number;
  /** Index in the heap; -1: in none. */
  place: number;
}

/**
 * A binary heap with the earliest item on top. Items know their place, so that one can be moved or taken out in O(log n)
 * and is there once at most, however often its time changes.
 */
export class TimeHeap<T extends Timed> {
  readonly #items: T[] = [];

  /** The earliest item; of several at the same time any. */
  first(): T | undefined {
    return this.#items[0];
  }

  /** Puts an item in, or moves it to another time. */
  set(item: T, at: number): void {
    item.at = at;
    if (item.place < 0) {
      item.place = this.#items.length;
      this.#items.push(item);
    }
    if (!this.#rise(item)) this.#sink(item);
  }

  /** Takes an item out, if it is in. */
  remove(item: T): void {
    const { place } = item;
    if (place < 0) return;
    item.place = -1;
    const last = this.#items.pop() as T;
    if (last === item) return;
    this.#put(last, place);
    if (!this.#rise(last)) this.#sink(last);
  }

  /** True where it moved. */
  #rise(item: T): boolean {
    const from = item.place;
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = this.#items[parent] as T;
      if (above.at <= item.at) break;
      this.#put(above, place);
      place = parent;
    }
    if (place === from) return false;
    this.#put(item, place);
    return true;
  }

  #sink(item: T): void {
    const items = this.#items;
    let { place } = item;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && (items[child + 1] as T).at < (items[child] as T).at) child++;
      const below = items[child] as T;
      if (below.at >= item.at) break;
      this.#put(below, place);
      place = child;
    }
    this.#put(item, place);
  }

  #put(item: T, place: number): void {
    this.#items[place] = item;
    item.place = place;
  }
}
