import { routerAddresses, macs } from './addresses.ts';
import type { Lab } from './lab.ts';
import { tool } from './paths.ts';
import type { LineProcess } from './process.ts';
import type { Server } from './topology.ts';

// What goes wrong on the way from the router to one server, of the channel's messages alone.

/** The channel's group for IPv4. */
const group = '224.0.0.254';
const fromRouter = `ip saddr ${routerAddresses.lan[4]} ip daddr ${group}`;
const lateMac = '02:00:00:00:0d:e1';

/** Every message of the router comes so many milliseconds late. The program that sees to it ends with its input, or with the lab. */
export async function delayMessages(
  { router }: Pick<Lab, 'router'>,
  server: Server,
  milliseconds: number,
): Promise<LineProcess> {
  await server.namespace.nft(ingress('late', `ether saddr ${macs.routerLan} ${fromRouter} drop`));
  const relay = router.start([
    tool('delay'),
    ...[server.port, routerAddresses.lan[4], group, String(milliseconds), lateMac],
  ]);
  await relay.waitFor((line) => line === 'ready' || undefined);
  return relay;
}

/** All messages of the router are lost, until the function that this resolves with is called. */
export async function deafen({ namespace }: Server): Promise<() => Promise<void>> {
  await namespace.nft(ingress('deaf', `${fromRouter} drop`));
  return () => namespace.nft('delete table netdev deaf\n');
}

/** Every second message of the router is lost. */
export async function loseEverySecondMessage({ namespace }: Server): Promise<void> {
  await namespace.nft(ingress('lossy', `${fromRouter} numgen inc mod 2 0 drop`));
}

function ingress(name: string, rule: string): string {
  return `table netdev ${name} {
  chain ${name} {
    type filter hook ingress device "eth0" priority 0
    ${rule.replace(/drop$/, 'counter drop')}
  }
}
`;
}
