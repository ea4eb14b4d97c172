import type { Decider, ServerState } from '../membership/members.ts';
import type { DaemonStatus, ServerStatus, ServiceStatus, TransitionStatus } from '../service/control.ts';
import type { Table, Value } from '../ubus/blobmsg.ts';

/**
 * Reads what `status` answers over the bus. Of what is missing, or of another type than it should be, nothing is made up
 * but an empty text or 0: a daemon of another version is shown as far as it is understood.
 */
export function readStatus(reply: Table): DaemonStatus {
  return {
    version: text(reply['version']),
    uptime: number(reply['uptime']),
    ...optional('failing', reply['failing'], text),
    ...optional('refused', reply['refused'], readCounts),
    services: named(reply['services'], readService),
  };
}

function readCounts(value: Value): Record<string, number> {
  return Object.fromEntries(Object.entries(tableOf(value)).map(([name, count]) => [name, number(count)]));
}

/** Names of the services in a status. */
export function namesOfServices(reply: Table): string[] {
  return Object.keys(tableOf(reply['services']));
}

function readService(service: string, table: Table): ServiceStatus {
  return {
    service,
    ghosts: texts(table['ghosts']),
    protocols: texts(table['protocols']),
    ports: texts(table['ports']),
    slots: number(table['slots']),
    ...optional('inactive', table['inactive'], text),
    ...optional('transition', table['transition'], readTransition),
    servers: named(table['servers'], readServer),
  };
}

function readTransition(value: Value): TransitionStatus {
  const { since, until, slots, kept } = tableOf(value);
  return {
    since: number(since),
    until: number(until),
    slots: number(slots),
    kept: named(kept, (server, { packets, idle }) => ({ server, packets: counter(packets), idle: number(idle) })),
  };
}

function readServer(server: string, table: Table): ServerStatus {
  const provenance = table['added'] === true ? 'added' : table['removing'] === true ? 'removing' : undefined;
  return {
    server,
    ...optional('address', table['address'], text),
    ...optional('address6', table['address6'], text),
    ...optional('egress', table['egress'], text),
    ...optional('egress6', table['egress6'], text),
    state: text(table['state']) as ServerState,
    decider: text(table['decider']) as Decider,
    reason: text(table['reason']),
    since: number(table['since']),
    ...optional('until', table['until'], number),
    weight: number(table['weight']),
    ...optional('effectiveWeight', table['effective_weight'], number),
    share: number(table['share']),
    slots: number(table['slots']),
    ...optional('connections', table['connections'], number),
    ...optional('packets', table['packets'], counter),
    ...optional('bytes', table['bytes'], counter),
    ...(provenance && { provenance }),
    damped: table['damped'] === true,
    ...optional('probe', table['probe'], (value) => {
      const { passed, reason, latency, age } = tableOf(value);
      const milliseconds = optional('latency', latency, (seconds) => number(seconds) * 1000);
      return { passed: passed === true, reason: text(reason), ...milliseconds, age: number(age) };
    }),
    ...optional('report', table['report'], (value) => {
      const { age, well, reason, current, connections, cpu, script } = tableOf(value);
      return {
        age: number(age),
        ...optional('well', well, (told) => told === true),
        ...optional('reason', reason, text),
        current: current === true,
        ...optional('connections', connections, number),
        ...optional('cpu', cpu, number),
        ...optional('script', script, number),
      };
    }),
  };
}

/** A table's members, each read with its name. */
export function named<Item>(value: Value | undefined, read: (name: string, table: Table) => Item): Item[] {
  return Object.entries(tableOf(value)).map(([name, inner]) => read(name, tableOf(inner)));
}

function optional<Name extends string, Item>(
  name: Name,
  value: Value | undefined,
  read: (value: Value) => Item,
): { readonly [Key in Name]?: Item } {
  return value === undefined || value === null ? {} : ({ [name]: read(value) } as { [Key in Name]: Item });
}

export function tableOf(value: Value | undefined): Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Table) : {};
}

export function text(value: Value | undefined): string {
  return typeof value === 'string' ? value : '';
}

export function texts(value: Value | undefined): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

export function number(value: Value | undefined): number {
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : 0;
}

function counter(value: Value | undefined): bigint {
  if (typeof value === 'bigint') return value;
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : 0n;
}
