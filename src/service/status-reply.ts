import type { Writable, WritableTable } from '../ubus/blobmsg.ts';
import { double, int64 } from '../ubus/blobmsg.ts';
import type { DaemonStatus, ServerStatus, ServiceStatus, TransitionStatus } from './control.ts';
import { wireText } from './wire-text.ts';

/**
 * What `status` answers: tables keyed by name, whole seconds where time is counted from or to an event, seconds with a
 * fraction where it is short (latency, age of a probe), and 64 bits for packets and bytes whatever their number.
 */
export function statusReply(status: DaemonStatus): WritableTable {
  return {
    version: status.version,
    uptime: whole(status.uptime),
    failing: text(status.failing),
    refused: status.refused,
    services: keyed(status.services, ({ service }) => service, serviceTable),
  };
}

/** What `get_stats` answers: counters alone, for collectors. */
export function statisticsReply({ uptime, services }: DaemonStatus): WritableTable {
  return {
    uptime: whole(uptime),
    services: keyed(
      services,
      ({ service }) => service,
      ({ servers }) => ({
        packets: counted(sum(servers.map(({ packets }) => packets))),
        bytes: counted(sum(servers.map(({ bytes }) => bytes))),
        servers: keyed(
          servers,
          ({ server }) => server,
          ({ packets, bytes }) => ({ packets: counted(packets), bytes: counted(bytes) }),
        ),
      }),
    ),
  };
}

function serviceTable(service: ServiceStatus): WritableTable {
  return {
    running: service.inactive === undefined,
    inactive: text(service.inactive),
    ghosts: service.ghosts,
    protocols: service.protocols,
    ports: service.ports,
    slots: service.slots,
    transition: service.transition && transitionTable(service.transition),
    flows: service.flows && { limit: service.flows.limit, overflow: int64(service.flows.overflow) },
    servers: keyed(service.servers, ({ server }) => server, serverTable),
  };
}

function transitionTable({ since, until, slots, kept }: TransitionStatus): WritableTable {
  return {
    since: whole(since),
    until: whole(until),
    slots,
    kept: keyed(
      kept,
      ({ server }) => server,
      ({ packets, idle }) => ({ packets: int64(packets), idle: whole(idle) }),
    ),
  };
}

function serverTable(server: ServerStatus): WritableTable {
  const { probe, report } = server;
  return {
    address: server.address,
    address6: server.address6,
    egress: server.egress,
    egress6: server.egress6,
    state: server.state,
    decider: server.decider,
    reason: wireText(server.reason),
    since: whole(server.since),
    until: server.until === undefined ? undefined : whole(server.until),
    weight: server.weight,
    effective_weight: server.effectiveWeight === undefined ? undefined : double(server.effectiveWeight),
    share: double(server.share),
    slots: server.slots,
    connections: server.connections,
    packets: counted(server.packets),
    bytes: counted(server.bytes),
    added: server.provenance === 'added',
    removing: server.provenance === 'removing',
    damped: server.damped,
    probe: probe && {
      passed: probe.passed,
      reason: wireText(probe.reason),
      latency: probe.latency === undefined ? undefined : double(probe.latency / 1000),
      age: double(probe.age),
    },
    report: report && {
      age: double(report.age),
      well: report.well,
      reason: text(report.reason),
      current: report.current,
      connections: report.connections,
      cpu: report.cpu === undefined ? undefined : double(report.cpu),
      script: report.script === undefined ? undefined : double(report.script),
    },
  };
}

/** A table of what a list holds, by name. */
export function keyed<Item>(
  items: readonly Item[],
  name: (item: Item) => string,
  table: (item: Item) => WritableTable,
): WritableTable {
  return Object.fromEntries(items.map((item) => [name(item), table(item)]));
}

/** null, and not 0, where nothing is counted. */
function counted(number: bigint | undefined): Writable {
  return number === undefined ? null : int64(number);
}

/** Absent where one of the numbers is. */
function sum(numbers: readonly (bigint | undefined)[]): bigint | undefined {
  return numbers.reduce((all, number) => (all === undefined || number === undefined ? undefined : all + number), 0n);
}

function whole(seconds: number): number {
  return Math.max(0, Math.floor(seconds));
}

function text(given: string | undefined): string | undefined {
  return given === undefined ? undefined : wireText(given);
}
