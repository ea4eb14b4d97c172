import type { Model, Server } from '../config/model.ts';
import { parseAddress } from '../net/address.ts';

/**
 * What was ordered while the daemon runs, beside the configuration: it survives a restart of the daemon, not of the router.
 * Times are milliseconds of the monotonic clock, which a restart of the daemon does not set back.
 */
export interface Orders {
  readonly states: readonly StateOrder[];
  readonly weights: readonly WeightOrder[];
  readonly additions: readonly Addition[];
  readonly removals: readonly Membership[];
}

/** A server in a service, by their names. */
export interface Membership {
  readonly service: string;
  readonly server: string;
}

/** The operator's word about a server, stronger than any watchdog's. */
export interface StateOrder extends Membership {
  readonly state: 'up' | 'down' | 'drain';
  readonly reason: string;
  readonly since: number;
  /** `up` and `down` end then; a drain gives up the connections that still are open. */
  readonly until?: number;
}

export interface WeightOrder extends Membership {
  readonly weight: number;
}

/** A server that the configuration does not know. */
export interface Addition {
  readonly service: string;
  readonly server: Server;
}

export const NO_ORDERS: Orders = { states: [], weights: [], additions: [], removals: [] };

/** The order about a server's state, if there is one. */
export function stateOrder({ states }: Orders, subject: Membership): StateOrder | undefined {
  return states.find((order) => same(order, subject));
}

/** With an order about a state in place of an earlier one. */
export function orderState(orders: Orders, order: StateOrder): Orders {
  return { ...orders, states: [...orders.states.filter((other) => !same(other, order)), order] };
}

/** The configuration and the watchdogs decide again. */
export function withdrawState(orders: Orders, subject: Membership): Orders {
  return { ...orders, states: orders.states.filter((other) => !same(other, subject)) };
}

export function orderWeight(orders: Orders, order: WeightOrder): Orders {
  return { ...orders, weights: [...orders.weights.filter((other) => !same(other, order)), order] };
}

/** The configuration's weight counts again. */
export function withdrawWeight(orders: Orders, subject: Membership): Orders {
  return { ...orders, weights: orders.weights.filter((other) => !same(other, subject)) };
}

/** A server comes to a service, or comes back after a removal. */
export function orderAddition(orders: Orders, addition: Addition): Orders {
  const subject = { service: addition.service, server: addition.server.name };
  return {
    ...orders,
    additions: [...orders.additions.filter((other) => !sameAddition(other, subject)), addition],
    removals: orders.removals.filter((other) => !same(other, subject)),
  };
}

/** A server goes, and all that was ordered about it. */
export function orderRemoval(orders: Orders, subject: Membership): Orders {
  const { states, weights, additions, removals } = forget(orders, subject);
  return { states, weights, additions, removals: [...removals, { service: subject.service, server: subject.server }] };
}

/** Without anything about a server. */
export function forget(orders: Orders, subject: Membership): Orders {
  const others = <T extends Membership>(list: readonly T[]) => list.filter((other) => !same(other, subject));
  return {
    states: others(orders.states),
    weights: others(orders.weights),
    additions: orders.additions.filter((other) => !sameAddition(other, subject)),
    removals: others(orders.removals),
  };
}

/** Without what has run out by now. The same object where nothing has. */
export function expireOrders(orders: Orders, now: number): Orders {
  const isOver = ({ state, until }: StateOrder) => state !== 'drain' && until !== undefined && until <= now;
  if (!orders.states.some(isOver)) return orders;
  return { ...orders, states: orders.states.filter((order) => !isOver(order)) };
}

/** When the next order runs out; `Infinity` = none does. */
export function nextExpiry({ states }: Orders, now: number): number {
  return Math.min(...states.flatMap(({ until }) => (until !== undefined && until > now ? [until] : [])), Infinity);
}

/**
 * Without orders about services and servers that a configuration has not; additions that it has by now are its own. The same
 * object where nothing goes.
 */
export function retainOrders(orders: Orders, { services }: Model): Orders {
  const find = (name: string) => services.find((service) => service.name === name);
  const has = (service: string, server: string) => {
    const found = find(service);
    return [...(found?.servers ?? []), ...(found?.disabled ?? [])].some(({ name }) => name === server);
  };
  const additions = orders.additions.filter(({ service, server }) => find(service) && !has(service, server.name));
  const isKnown = (subject: Membership) =>
    has(subject.service, subject.server) || additions.some((addition) => sameAddition(addition, subject));
  const kept: Orders = {
    states: orders.states.filter(isKnown),
    weights: orders.weights.filter(isKnown),
    additions,
    removals: orders.removals.filter(isKnown),
  };
  const isSame = (Object.keys(kept) as (keyof Orders)[]).every((kind) => kept[kind].length === orders[kind].length);
  return isSame ? orders : kept;
}

const VERSION = 1;

interface StoredAddition {
  readonly service: string;
  readonly name: string;
  readonly weight: number;
  readonly address?: string;
  readonly address6?: string;
}

/** Orders as text, for `parseOrders`. */
export function formatOrders({ additions, ...rest }: Orders): string {
  const stored = additions.map(({ service, server: { name, weight, address, address6 } }): StoredAddition => ({
    ...{ service, name, weight },
    ...(address ? { address: address.text } : {}),
    ...(address6 ? { address6: address6.text } : {}),
  }));
  return `${JSON.stringify({ version: VERSION, ...rest, additions: stored })}\n`;
}

/** `undefined` where the text is none of ours, such as that of another version. */
export function parseOrders(text: string): Orders | undefined {
  try {
    const stored = JSON.parse(text) as Omit<Orders, 'additions'> & { version: number; additions: StoredAddition[] };
    if (stored.version !== VERSION) return undefined;
    const { states, weights, removals } = stored;
    const additions = stored.additions.map(({ service, name, weight, address = '', address6 = '' }) => {
      const [own, own6] = [parseAddress(address), parseAddress(address6)];
      return {
        service,
        server: { name, weight, ...(own ? { address: own } : {}), ...(own6 ? { address6: own6 } : {}) },
      };
    });
    const lists: unknown[] = [states, weights, removals];
    return lists.every(Array.isArray) ? { states, weights, removals, additions } : undefined;
  } catch {
    return undefined;
  }
}

function same(one: Membership, other: Membership): boolean {
  return one.service === other.service && one.server === other.server;
}

function sameAddition({ service, server }: Addition, subject: Membership): boolean {
  return service === subject.service && server.name === subject.server;
}
