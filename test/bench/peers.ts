import { ghost, serverAddress, type BenchLab, type Burst } from './bench-lab.ts';
import { keepFlows, nothing, type Contestant } from './contestant.ts';
import { loadNftlb, type NftlbMode } from './nftlb.ts';
import { serverNumbers } from './service.ts';

/** For which ip(8) has room: 4096 bytes of a route, of which one takes 28 with IPv6; 1048 of a group, where each takes 8. */
const mostHops = 128;

/** By a route of several next hops, which the kernel picks by the hash of source and destination address. */
const multipath: Contestant = {
  name: 'multipath',
  description: 'kernel route of several next hops',
  mostServers: mostHops,
  async setUp(lab) {
    await lab.knowServers();
    const hops = serverNumbers(lab).map((number) => [
      'nexthop',
      'via',
      serverAddress(lab.family, number),
      'dev',
      'br-lan',
    ]);
    // By itself, as a line of a batch may have 512 words.
    await lab.router.run(['ip', 'route', 'add', ghost[lab.family], ...hops.flat()]);
    return nothing;
  },
  faultOf: everybodyServes,
};

/** With a table of as many buckets as we have slots. */
const resilient: Contestant = {
  name: 'resilient',
  description: 'kernel route to a resilient group of next hops, 4096 buckets',
  mostServers: mostHops,
  async setUp(lab) {
    await lab.knowServers();
    const numbers = serverNumbers(lab);
    const group = 1000;
    await lab.router.ip([
      ...numbers.map((number) => `nexthop add id ${number} via ${serverAddress(lab.family, number)} dev br-lan`),
      `nexthop add id ${group} group ${numbers.join('/')} type resilient buckets 4096`,
      `route add ${ghost[lab.family]} nhid ${group}`,
    ]);
    return nothing;
  },
  faultOf: everybodyServes,
};

/** A service of nftlb's, by its own configuration. */
function nftlb(name: string, description: string, mode: NftlbMode, more: Partial<Contestant> = {}): Contestant {
  return {
    name,
    description,
    async setUp(lab) {
      await lab.knowServers();
      await loadNftlb(lab, mode);
      await lab.router.sysctl(keepFlows);
      return nothing;
    },
    faultOf: everybodyServes,
    ...more,
  };
}

/** Below so many clients for a server their hashes may leave one with few. */
const fewClients = 100;

/** Whether no server has less than half of its fair share; these spread as their hashes do. */
function everybodyServes({ servers }: BenchLab, { byServer, delivered }: Burst): Promise<string | undefined> {
  if (delivered < fewClients * servers) return Promise.resolve(undefined);
  const least = Math.min(...byServer);
  return Promise.resolve(least * 2 * byServer.length < delivered ? `a server got ${least} of ${delivered}` : undefined);
}

/** What people use instead. */
export const peers: readonly Contestant[] = [
  multipath,
  resilient,
  nftlb('nftlb-direct', "nftlb's direct return (dsr)", 'dsr'),
  nftlb('nftlb-stateless', "nftlb's stateless DNAT", 'stlsdnat'),
  nftlb('nftlb-dnat', "nftlb's DNAT, one conntrack entry for each client", 'dnat', { tracked: true }),
];
