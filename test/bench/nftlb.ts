import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LineProcess } from '../lab/process.ts';
import { eventually } from '../lab/scenario.ts';
import { ghost, port, serverAddress, serverMac, type BenchLab } from './bench-lab.ts';
import { peerProgram } from './peer-programs.ts';
import { patience, serverNumbers } from './service.ts';

/** Ways of nftlb's to hand packets on: direct return, without a connection table, with one. */
export type NftlbMode = 'dsr' | 'stlsdnat' | 'dnat';

const key = 'bench';
const apiPort = 5555;

/** Farms of nftlb's own configuration, with all servers of a lab: `bench` at the lab's port, and others at the ports behind it. */
function farms(lab: BenchLab, mode: NftlbMode, services: number): object[] {
  const backends = serverNumbers(lab).map((number) => ({
    ...{ name: `server${number}`, 'ip-addr': serverAddress(lab.family, number), 'ether-addr': serverMac(number) },
    ...{ weight: '1', priority: '1', state: 'up' },
  }));
  return Array.from({ length: services }, (_, index) => ({
    ...{ name: index === 0 ? 'bench' : `bench${index + 1}`, family: `ipv${lab.family}`, oface: 'br-lan' },
    ...{ 'virtual-addr': ghost[lab.family], 'virtual-ports': String(port + index), protocol: 'udp' },
    ...{ mode, scheduler: 'hash', 'sched-param': 'srcip', state: 'up' },
    backends,
  }));
}

async function prepare(lab: BenchLab, mode: NftlbMode, services: number): Promise<string> {
  mkdirSync(lab.folder, { recursive: true });
  const file = join(lab.folder, 'nftlb.json');
  writeFileSync(file, JSON.stringify({ farms: farms(lab, mode, services) }));
  // It looks for the device that has the service's address; at ingress, that address is the router's in name only.
  await lab.router.ip([`address replace ${ghost[lab.family]} dev wan`]);
  return file;
}

/** Loads nftlb's ruleset, without a daemon behind it. */
export async function loadNftlb(lab: BenchLab, mode: NftlbMode): Promise<void> {
  const file = await prepare(lab, mode, 1);
  await lab.router.run([...peerProgram('usr/sbin/nftlb'), '--exit', '--config', file]);
}

/** nftlb as a daemon, ordered about by HTTP. */
export class NftlbDaemon {
  readonly process: LineProcess;
  readonly #lab: BenchLab;

  private constructor(lab: BenchLab, process: LineProcess) {
    this.#lab = lab;
    this.process = process;
  }

  /** Resolves once it answers; its rules are in the kernel before it listens. */
  static async start(lab: BenchLab, mode: NftlbMode, services: number): Promise<NftlbDaemon> {
    const file = await prepare(lab, mode, services);
    const options = ['--log-output', '1', '--key', key, '--host', '127.0.0.1', '--port', String(apiPort)];
    const process = lab.router.start([...peerProgram('usr/sbin/nftlb'), ...options, '--config', file]);
    const daemon = new NftlbDaemon(lab, process);
    // curl's own way of trying again waits for a second at least.
    await eventually('nftlb answers', patience, async () => {
      const { status } = await lab.router.attempt(daemon.#request('GET', '/farms'));
      return status === 0 || undefined;
    });
    return daemon;
  }

  /** Milliseconds from an order to its answer, which comes when the kernel holds the new rules. */
  async call(method: string, path: string, body?: object): Promise<number> {
    return Number(await this.#lab.router.run(this.#request(method, path, body))) * 1000;
  }

  /** The command line of a request, which prints the seconds until its answer. */
  #request(method: string, path: string, body?: object): string[] {
    const data = body === undefined ? [] : ['--data', JSON.stringify(body)];
    return [
      ...['curl', '--silent', '--show-error', '--fail', '--output', '/dev/null', '--write-out', '%{time_total}'],
      ...['--request', method, '--header', `Key: ${key}`, ...data, `http://127.0.0.1:${apiPort}${path}`],
    ];
  }
}
