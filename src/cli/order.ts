import { quote } from '../config/wording.ts';
import type { DaemonStatus, ServerReference } from '../service/control.ts';
import { ControlError } from '../service/control.ts';
import { addServer, removeServer, setServer, setWeight } from '../service/request.ts';
import type { WritableTable } from '../ubus/blobmsg.ts';
import type { Invocation } from './arguments.ts';
import { parseSeconds } from './duration.ts';
import { formatSeconds } from './duration.ts';
import { membersOf, missingService } from './membership.ts';
import { formatShare } from './quantity.ts';

/** An order to the daemon, as a command line gives it. */
export interface Order {
  readonly method: 'set_server' | 'set_weight' | 'add_server' | 'remove_server';
  readonly args: WritableTable;
  readonly reference: ServerReference;
}

/** Commands that change the state of a server, and the state that each asks for. */
const STATE_OF: Readonly<Record<string, string>> = { failover: 'down', drain: 'drain', up: 'up', auto: 'auto' };

/** Makes the order of a command line; throws `ControlError` where it makes no sense by itself. */
export function readOrder({ command, operands, options, flags }: Invocation): Order {
  const [server = '', weight = ''] = operands;
  const service = options.get('service');
  const common = {
    server,
    ...(service !== undefined && { service }),
    ...(flags.has('persist') && { persist: true }),
  };
  const reference = { server, ...(service !== undefined && { service }) };
  switch (command) {
    case 'weight':
      return {
        method: 'set_weight',
        args: { ...setWeight({ ...common, weight: wholeNumber(weight, 'weight') }) },
        reference,
      };
    case 'add': {
      const given = options.get('weight');
      const order = {
        ...common,
        ...text('address', options.get('address')),
        ...text('address6', options.get('address6')),
        ...(given !== undefined && { weight: wholeNumber(given, 'weight') }),
      };
      return { method: 'add_server', args: { ...addServer(order) }, reference };
    }
    case 'remove': {
      const order = { ...common, ...(flags.has('now') && { drain: false }) };
      return { method: 'remove_server', args: { ...removeServer(order) }, reference };
    }
    default: {
      const state = STATE_OF[command];
      if (state === undefined) throw new Error(`${quote(command)} is no order`);
      const timeout = options.get('timeout');
      const order = {
        ...common,
        state,
        ...(timeout !== undefined && { timeout: seconds(timeout) }),
        ...text('reason', options.get('reason')),
      };
      return { method: 'set_server', args: { ...setServer(order) }, reference };
    }
  }
}

/** What is wrong with an order as things stand: a sentence with what there is instead. */
export function objection(status: DaemonStatus, { method, args, reference }: Order): string | undefined {
  const { server, service = '' } = reference;
  const hasAddress = args['address'] !== undefined || args['address6'] !== undefined;
  if (method !== 'add_server') {
    const members = membersOf(status, reference);
    return typeof members === 'string' ? members : undefined;
  }
  const missing = missingService(
    status.services.map((entry) => entry.service),
    service,
  );
  if (missing !== undefined) return missing;
  const there = status.services
    .find((entry) => entry.service === service)
    ?.servers.find((entry) => entry.server === server && entry.provenance !== 'removing');
  if (
    !there &&
    !hasAddress &&
    !status.services.some(({ servers }) => servers.some((entry) => entry.server === server))
  ) {
    return `server ${quote(server)} is new, and needs --address or --address6`;
  }
  return there && `service ${quote(service)} has a server ${quote(server)} already`;
}

/** What an order has come to, a line for each service: `web: web1 is down; share 25.0 % → 0.0 %`. */
export function outcome(before: DaemonStatus, after: DaemonStatus, { reference }: Order): string[] {
  const { server } = reference;
  const was = membersOf(before, reference);
  const is = membersOf(after, reference);
  const earlier = new Map(typeof was === 'string' ? [] : was.map((member) => [member.service, member.status]));
  if (typeof is === 'string') return [...earlier.keys()].map((service) => `${service}: ${server} is gone`);
  return is.map(({ service, status }) => {
    const share = earlier.get(service)?.share;
    const moved = share === undefined || share === status.share ? '' : `${formatShare(share)} → `;
    const state = status.provenance === 'removing' ? `${status.state}, being removed` : status.state;
    const until = status.until === undefined ? '' : `, for ${formatSeconds(status.until)} at most`;
    return `${service}: ${server} is ${state}${until}; weight ${status.weight}, share ${moved}${formatShare(status.share)}`;
  });
}

function text<Name extends string>(name: Name, value: string | undefined): { readonly [Key in Name]?: string } {
  return value === undefined ? {} : ({ [name]: value } as { [Key in Name]: string });
}

function seconds(given: string): number {
  const value = parseSeconds(given);
  if (value === undefined)
    throw new ControlError('invalid', `${quote(given)} is no time; accepted: 90, 90s, 5m, 1h, 2d`);
  return value;
}

function wholeNumber(given: string, what: string): number {
  if (!/^\d{1,6}$/.test(given)) throw new ControlError('invalid', `${quote(given)} is no ${what}; accepted: 0–1000`);
  return Number(given);
}
