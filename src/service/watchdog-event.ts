import { quote } from '../config/wording.ts';
import type { Table, Value } from '../ubus/blobmsg.ts';
import type { Report } from './control.ts';
import { oneLine } from './reason.ts';

/** Event by which any program tells how a server is: `{"server":"web1","state":"down","reason":"…","ttl":30}`. */
export const WATCHDOG_EVENT = 'oneip.watchdog';

/** Longest time in seconds for which a report may hold: a day. */
const LONGEST_TTL = 86_400;

/** Reads what an event tells; a text is what is wrong with it. Unknown members are passed over. */
export function readReport(data: Table): Report | string {
  const { server, service, state, reason, ttl } = data;
  if (typeof server !== 'string' || server === '') return "needs 'server', the name of one";
  if (state !== 'up' && state !== 'down') return `needs 'state', up or down${given(state)}`;
  if (isGiven(service) && (typeof service !== 'string' || service === ''))
    return `'service' is no name${given(service)}`;
  if (isGiven(reason) && typeof reason !== 'string') return `'reason' is no text${given(reason)}`;
  if (isGiven(ttl) && !(typeof ttl === 'number' && ttl > 0 && ttl <= LONGEST_TTL)) {
    return `'ttl' is no number of seconds up to ${LONGEST_TTL}${given(ttl)}`;
  }
  return {
    server,
    up: state === 'up',
    ...(typeof service === 'string' && { service }),
    ...(typeof reason === 'string' && { reason: oneLine(reason) }),
    ...(typeof ttl === 'number' && { ttl }),
  };
}

/** Null counts as left out, as it does for the methods. */
function isGiven(value: Value | undefined): boolean {
  return value !== undefined && value !== null;
}

function given(value: Value | undefined): string {
  if (value === undefined) return '';
  return `, not ${typeof value === 'object' ? 'a table, a list or nothing' : quote(String(value))}`;
}
