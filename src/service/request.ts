import { parseAddress } from '../net/address.ts';
import type { Family } from '../net/address.ts';
import { quote } from '../config/wording.ts';
import type { AddServer, RemoveServer, ServerReference, SetServer, SetWeight } from './control.ts';
import { ControlError } from './control.ts';
import { oneLine } from './reason.ts';

/**
 * Orders as they come in, made into requests. What is wrong in an order by itself is found here, for the bus and the command
 * line alike, and thrown as `ControlError`; what depends on what is there (no such server) is the daemon's to say.
 */

/** What `set_server` may ask for. */
export const SERVER_ORDERS = ['up', 'down', 'drain', 'auto'] as const;
/** Weights as the configuration takes them. */
export const HEAVIEST = 1000;
/** Longest time in seconds for which an order holds, and for which a drain lasts: 30 days, as `drain_timeout`. */
export const LONGEST_TIMEOUT = 30 * 86_400;
const LONGEST_NAME = 32;

interface GivenReference {
  readonly server?: string;
  readonly service?: string;
}

export function setServer(
  given: GivenReference & {
    readonly state?: string;
    readonly timeout?: number;
    readonly reason?: string;
    readonly persist?: boolean;
  },
): SetServer {
  const state = SERVER_ORDERS.find((order) => order === given.state);
  if (!state) throw invalid(`the state is one of ${SERVER_ORDERS.join(', ')}${notThat(given.state)}`);
  const { timeout, reason } = given;
  if (timeout !== undefined && !isWithin(timeout, 1, LONGEST_TIMEOUT)) {
    throw invalid(`${timeout} is no time-out: 1–${LONGEST_TIMEOUT} seconds`);
  }
  return {
    ...reference(given),
    state,
    ...(timeout !== undefined && { timeout }),
    ...(reason !== undefined && { reason: oneLine(reason) }),
    ...persistence(given),
  };
}

export function setWeight(given: GivenReference & { readonly weight?: number; readonly persist?: boolean }): SetWeight {
  return { ...reference(given), weight: weightOf(given.weight), ...persistence(given) };
}

export function addServer(
  given: GivenReference & {
    readonly address?: string;
    readonly address6?: string;
    readonly weight?: number;
    readonly persist?: boolean;
  },
): AddServer {
  const { server, service } = reference(given);
  if (service === undefined) throw invalid('a new server needs a service');
  if (!/^[a-z0-9_]+$/.test(server) || server.length > LONGEST_NAME) {
    throw invalid(`${quote(server)} is no name: 1–${LONGEST_NAME} letters a–z, digits and underscores`);
  }
  const { address, address6, weight } = given;
  return {
    server,
    service,
    ...(address !== undefined && { address: addressOf(address, 4) }),
    ...(address6 !== undefined && { address6: addressOf(address6, 6) }),
    ...(weight !== undefined && { weight: weightOf(weight) }),
    ...persistence(given),
  };
}

export function removeServer(
  given: GivenReference & { readonly drain?: boolean; readonly persist?: boolean },
): RemoveServer {
  const { drain } = given;
  return { ...reference(given), ...(drain !== undefined && { drain }), ...persistence(given) };
}

function reference({ server, service }: GivenReference): ServerReference {
  if (server === undefined || server === '') throw invalid('which server?');
  if (service === '') throw invalid('which service?');
  return { server, ...(service !== undefined && { service }) };
}

function persistence({ persist }: { readonly persist?: boolean }): { readonly persist?: boolean } {
  return persist === undefined ? {} : { persist };
}

function weightOf(weight: number | undefined): number {
  if (weight !== undefined && isWithin(weight, 0, HEAVIEST)) return weight;
  throw invalid(weight === undefined ? 'which weight?' : `${weight} is no weight: 0–${HEAVIEST}`);
}

function addressOf(text: string, family: Family): string {
  const address = parseAddress(text);
  if (address?.family === family) return address.text;
  throw invalid(`${quote(text)} is no IPv${family} address`);
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

function notThat(text: string | undefined): string {
  return text === undefined ? '' : `, not ${quote(text)}`;
}

function invalid(message: string): ControlError {
  return new ControlError('invalid', message);
}
