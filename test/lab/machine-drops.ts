import { readFileSync } from 'node:fs';
import { clock } from './traffic-load.ts';

/** A time in which the machine threw packets away, milliseconds of `clock`. */
export interface Drop {
  readonly since: number;
  readonly time: number;
}

/** Milliseconds between two looks. */
const PERIOD = 50;

/**
 * Packets that the kernel dropped since a processor's backlog was full, as `/proc/net/softnet_stat` counts them for all network
 * namespaces together: a flood that another test sends at the same time costs the others' packets too.
 */
export class MachineDrops {
  /** The times so far. */
  readonly times: Drop[] = [];
  #known = droppedSoFar();
  #looked = clock();
  readonly #timer = setInterval(() => {
    this.look();
  }, PERIOD).unref();

  /** Notes what has been dropped since the last look. */
  look(): void {
    const [dropped, now] = [droppedSoFar(), clock()];
    if (dropped !== this.#known) this.times.push({ since: this.#looked, time: now });
    this.#known = dropped;
    this.#looked = now;
  }

  end(): void {
    clearInterval(this.#timer);
    this.look();
  }
}

/** The second column, of all processors; hexadecimal. */
function droppedSoFar(): number {
  const lines = readFileSync('/proc/net/softnet_stat', 'utf8').trim().split('\n');
  return lines.reduce((sum, line) => sum + parseInt(line.split(' ')[1] ?? '', 16), 0);
}
