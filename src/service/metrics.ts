import type { ServerState } from '../membership/members.ts';
import type { DaemonStatus, ServerStatus, ServiceStatus } from './control.ts';

type Value = number | bigint | boolean | string | undefined;

/** A metric as Prometheus knows it, and its values: labels as they are written between braces, and a value where there is one. */
interface Metric {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly samples: (status: DaemonStatus) => readonly (readonly [labels: string, value: Value])[];
}

const STATES: readonly ServerState[] = ['up', 'down', 'draining', 'drained', 'disabled'];

const METRICS: readonly Metric[] = [
  ofDaemon('oneip_build_info', 'Version of the daemon', ({ version }) => [labels({ version }), 1]),
  ofDaemon('oneip_uptime_seconds', 'Time since the start of the daemon', ({ uptime }) => ['', Math.floor(uptime)]),
  ofDaemon('oneip_failing', 'Whether the kernel does not hold what it should', ({ failing }) => [
    '',
    failing !== undefined,
  ]),
  {
    name: 'oneip_channel_refused_total',
    type: 'counter',
    help: 'Messages of servers that were refused',
    samples: ({ refused }) =>
      Object.entries(refused ?? {}).map(([reason, count]) => [labels({ reason }), count] as const),
  },
  ofServices('oneip_service_running', 'Whether the service is in force', ({ inactive }) => inactive === undefined),
  ofServices('oneip_service_slots', 'Entries of the allocation table', ({ slots }) => slots),
  ofServices(
    'oneip_transition_active',
    'Whether a change still keeps old connections',
    ({ transition }) => transition !== undefined,
  ),
  ofServices(
    'oneip_transition_slots',
    'Slots whose old connections are kept',
    ({ transition }) => transition?.slots ?? 0,
  ),
  {
    name: 'oneip_server_state',
    type: 'gauge',
    help: 'Whether the server is in this state',
    samples: ({ services }) =>
      services.flatMap(({ service, servers }) =>
        servers.flatMap(({ server, state: present }) =>
          STATES.map((state) => [labels({ service, server, state }), state === present] as const),
        ),
      ),
  },
  ofServers('oneip_server_weight', 'Share relative to the other servers', ({ weight }) => weight),
  ofServers('oneip_server_slots', 'Slots that the server has', ({ slots }) => slots),
  ofServers('oneip_server_share', 'Share of the clients, 0 to 1', ({ share }) => share.toFixed(6)),
  ofServers('oneip_server_damped', 'Whether the server is held back since it comes and goes', ({ damped }) => damped),
  ofServers(
    'oneip_server_connections',
    'Live connections, where new ones follow them',
    ({ connections }) => connections,
  ),
  ofServers('oneip_server_packets_total', 'Packets handed to the server', ({ packets }) => packets, 'counter'),
  ofServers('oneip_server_bytes_total', 'Bytes handed to the server', ({ bytes }) => bytes, 'counter'),
  ofServers('oneip_probe_success', 'Whether the last probe succeeded', ({ probe }) => probe?.passed),
  ofServers('oneip_probe_latency_seconds', 'Time until the last probe was answered', ({ probe }) =>
    probe?.latency === undefined ? undefined : (probe.latency / 1000).toFixed(6),
  ),
  ofServers('oneip_report_age_seconds', 'Time since the server reported', ({ report }) => report?.age.toFixed(6)),
  ofServers('oneip_report_well', 'Whether the server reports that it is well', ({ report }) => report?.well),
  ofServers(
    'oneip_report_current',
    'Whether the server has the slots that it shall have',
    ({ report }) => report?.current,
  ),
  ofServers('oneip_report_connections', 'Connections that the server reports', ({ report }) => report?.connections),
  ofServers('oneip_report_cpu', 'Share of processor time that the server reports, 0 to 1', ({ report }) =>
    report?.cpu?.toFixed(6),
  ),
  ofServers('oneip_report_script', 'Number that a script of the server reports', ({ report }) =>
    report?.script?.toFixed(6),
  ),
];

/**
 * The text exposition format of Prometheus (version 0.0.4), for its textfile collectors: what the collectors of the node
 * exporters for OpenWrt print, too. `undefined`: nobody answers.
 */
export function formatMetrics(status: DaemonStatus | undefined): string {
  const up: Metric = {
    name: 'oneip_up',
    type: 'gauge',
    help: 'Whether the daemon answers',
    samples: () => [['', status !== undefined]],
  };
  const lines = (status ? [up, ...METRICS] : [up]).flatMap(({ name, type, help, samples }) => {
    const found = samples(status ?? NOBODY).filter(([, value]) => value !== undefined);
    if (found.length === 0) return [];
    const values = found.map(
      ([where, value]) => `${name}${where} ${typeof value === 'boolean' ? Number(value) : value}`,
    );
    return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...values];
  });
  return `${lines.join('\n')}\n`;
}

const NOBODY: DaemonStatus = { version: '', uptime: 0, services: [] };

function ofDaemon(
  name: string,
  help: string,
  read: (status: DaemonStatus) => readonly [labels: string, value: Value],
): Metric {
  return { name, type: 'gauge', help, samples: (status) => [read(status)] };
}

function ofServices(name: string, help: string, read: (service: ServiceStatus) => Value): Metric {
  const samples = ({ services }: DaemonStatus) =>
    services.map((entry) => [labels({ service: entry.service }), read(entry)] as const);
  return { name, type: 'gauge', help, samples };
}

function ofServers(
  name: string,
  help: string,
  read: (server: ServerStatus) => Value,
  type: Metric['type'] = 'gauge',
): Metric {
  const samples = ({ services }: DaemonStatus) =>
    services.flatMap(({ service, servers }) =>
      servers.map((entry) => [labels({ service, server: entry.server }), read(entry)] as const),
    );
  return { name, type, help, samples };
}

function labels(of: Readonly<Record<string, string>>): string {
  const escaped = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  return `{${Object.entries(of)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(',')}}`;
}
