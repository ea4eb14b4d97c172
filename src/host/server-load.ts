import type { ServerLoad } from '../channel/message.ts';
import { parseProcessorTime, usedShare } from '../server/processor-time.ts';
import type { ProcessorTime } from '../server/processor-time.ts';
import { readTextIfThere } from './files.ts';

/** How busy this machine is, between one reading and the next. */
export class LoadMeter {
  #before: ProcessorTime | undefined;

  read(): ServerLoad {
    // Without conntrack there is no number of connections.
    const connections = Number(readTextIfThere('/proc/sys/net/netfilter/nf_conntrack_count') ?? 0);
    const now = parseProcessorTime(readTextIfThere('/proc/stat') ?? '');
    const cpu = this.#before && now ? usedShare(this.#before, now) : 0;
    this.#before = now;
    return { connections, cpu };
  }
}
