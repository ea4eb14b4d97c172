import { formatPrefix } from '../net/address.ts';
import type { Family } from '../net/address.ts';
import type { NetworkChange } from './diff.ts';
import type { AddressEntry, NeighbourEntry, RouteEntry, RuleEntry } from './state.ts';

/** A change as the command that would do it by hand (`ip` and `sysctl`), on one line. */
export function describeNetworkChange(change: NetworkChange): string {
  switch (change.kind) {
    case 'sysctl':
      return `sysctl -w ${change.key}=${change.value}  # ${change.action === 'set' ? 'was' : 'as it was before us; now'} ${change.before}`;
    case 'route':
      return `${ip(change.entry.family)} route ${change.action} ${routeWords(change.entry)}`;
    case 'rule':
      return `${ip(change.entry.family)} rule ${change.action} ${ruleWords(change.entry)}`;
    case 'local-rule': {
      const command = ip(change.family);
      return `${command} rule add pref 0 lookup local; ${command} rule del pref 0 lookup local  # behind ours`;
    }
    case 'neighbour':
      return `${ip(change.entry.family)} neigh ${change.action} ${neighbourWords(change.entry)}`;
    case 'address':
      return `${ip(change.entry.family)} address ${change.action} ${addressWords(change.action, change.entry)}`;
  }
}

function ip(family: Family): string {
  return family === 4 ? 'ip' : 'ip -6';
}

function routeWords(route: RouteEntry): string {
  const { destination, type = 'unicast', device, via, table, metric } = route;
  return [
    ...(type === 'unicast' ? [] : [type]),
    destination === 'default' ? 'default' : formatPrefix(destination),
    ...(via ? [`via ${via.text}`] : []),
    ...(device ? [`dev ${device.name}`] : []),
    ...(via && route.onlink ? ['onlink'] : []),
    ...(metric === undefined ? [] : [`metric ${metric}`]),
    `table ${table === 254 ? 'main' : table}`,
  ].join(' ');
}

function ruleWords({ priority, mark, mask, table, goto }: RuleEntry): string {
  const words = mask === 0xffffffff ? hex(mark) : `${hex(mark)}/${hex(mask)}`;
  const condition = mask === 0 ? '' : ` fwmark ${words}`;
  const action = goto === undefined ? `lookup ${table === 254 ? 'main' : table}` : `goto ${goto}`;
  return `pref ${priority}${condition} ${action}`;
}

function neighbourWords({ address, device, kind, hardware }: NeighbourEntry): string {
  if (kind === 'proxy') return `proxy ${address.text} dev ${device.name}`;
  if (kind === 'managed') return `${address.text} dev ${device.name} managed`;
  return `${address.text} lladdr ${hardware ?? ''} dev ${device.name} nud permanent`;
}

function addressWords(action: 'add' | 'delete', { family, address, prefixLength, device, kind }: AddressEntry): string {
  const place = `${address.text}/${prefixLength} dev ${device.name}`;
  if (action === 'delete') return place;
  if (kind === 'group') return `${place} autojoin${family === 6 ? ' nodad' : ''}`;
  return family === 4 ? `${place} scope host` : `${place} preferred_lft 0 nodad`;
}

function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`;
}
