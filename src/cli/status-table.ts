import type { DaemonStatus, ServerStatus, ServiceStatus } from '../service/control.ts';
import { oneLine } from '../service/reason.ts';
import { cut, layOut } from './columns.ts';
import type { Cell, Column } from './columns.ts';
import { formatLatency, formatSeconds } from './duration.ts';
import { bar, formatQuantity, formatShare } from './quantity.ts';
import type { Rates } from './rates.ts';
import type { Paint, Style } from './style.ts';
import { plain } from './style.ts';

export interface TableOptions {
  /** Columns of the terminal; unlimited where it is none. */
  readonly width?: number;
  readonly paint?: Paint;
  /** Packets per second, while watching. */
  readonly rates?: Rates;
}

/** Seconds without a report that are no matter of chance any more. */
const SILENT = 5;
const BAR_WIDTH = 10;
const INDENT = '  ';

const STYLE_OF: Readonly<Record<string, Style>> = {
  up: 'green',
  down: 'red',
  draining: 'yellow',
  drained: 'cyan',
  disabled: 'dim',
};

/** The status for people: for each service a header and a table of its servers. */
export function formatStatus(status: DaemonStatus, options: TableOptions = {}): string {
  const { width, paint = plain } = options;
  const fit = (line: string, style?: Style) => {
    const fitting = width === undefined ? line : cut(line, width);
    return style === undefined ? fitting : paint(style, fitting);
  };
  const blocks = status.services.map((service) => [
    fit(headline(service), 'bold'),
    ...(service.inactive === undefined ? [] : [fit(`${INDENT}not running: ${oneLine(service.inactive)}`, 'red')]),
    ...transitionLines(service).map((line) => fit(INDENT + line, 'yellow')),
    ...serverLines(service, { ...options, paint }),
  ]);
  const failing = status.failing === undefined ? [] : [[fit(`failing: ${oneLine(status.failing)}`, 'red')]];
  const all = [...failing, ...(blocks.length > 0 ? blocks : [['no services']])];
  return all.map((lines) => lines.map((line) => `${line}\n`).join('')).join('\n');
}

function headline({ service, ghosts, protocols, ports, slots }: ServiceStatus): string {
  const traffic = [...protocols, ports.length > 0 ? ports.join(', ') : 'all ports'].join(' ');
  return [service, ghosts.join(', '), traffic, `${slots} slots`].join('  ');
}

/** How far a change is: how much of its longest time has passed, and who still has packets of old connections. */
function transitionLines({ transition, slots }: ServiceStatus): string[] {
  if (!transition) return [];
  const { since, until, slots: moved, kept } = transition;
  const longest = since + until;
  const part = slots > 0 ? ` (${formatShare(moved / slots)})` : '';
  const progress = bar(longest > 0 ? since / longest : 1, BAR_WIDTH);
  const time = `${formatSeconds(since)} of at most ${formatSeconds(longest)}`;
  return [
    `transition ${progress} ${time}: ${moved} slots${part} keep old connections`,
    ...kept.map(
      ({ server, packets, idle }) =>
        `${server} had ${formatQuantity(Number(packets))} packets of old connections, the last ${formatSeconds(idle)} ago`,
    ),
  ];
}

function serverLines(service: ServiceStatus, { width, paint = plain, rates }: TableOptions): string[] {
  const { servers } = service;
  if (servers.length === 0) return [cut(`${INDENT}no servers`, width ?? Infinity)];
  const most = servers.reduce((largest, { share }) => Math.max(largest, share), 0);
  const cells = (make: (server: ServerStatus) => Cell | string): Cell[] =>
    servers.map((server) => {
      const made = make(server);
      return typeof made === 'string' ? { text: made } : made;
    });
  const rateOf = ({ server }: ServerStatus) => rates?.get(service.service)?.get(server);
  const columns: Column[] = [
    { title: 'server', cells: cells(({ server }) => server), dispensable: 0 },
    { title: 'address', cells: cells(({ address = '' }) => address), dispensable: 5 },
    { title: 'IPv6 address', cells: cells(({ address6 = '' }) => address6), dispensable: 8 },
    {
      title: 'by',
      cells: cells(({ egress = '', egress6 = egress }) => [...new Set([egress || egress6, egress6])].join(', ')),
      dispensable: 10,
    },
    {
      title: 'state',
      cells: cells(({ state }) => ({ text: state, ...styleOf(state) })),
      dispensable: 0,
    },
    { title: 'since', cells: cells(({ since }) => formatSeconds(since)), align: 'right', dispensable: 4 },
    {
      title: 'weight',
      cells: cells(({ weight, effectiveWeight }) =>
        effectiveWeight === undefined ? String(weight) : `${weight} → ${effectiveWeight}`,
      ),
      align: 'right',
      dispensable: 3,
    },
    { title: 'share', cells: cells(({ share }) => formatShare(share)), align: 'right', dispensable: 0 },
    {
      title: '',
      cells: cells(({ share }) => (share > 0 ? { text: bar(share / most, BAR_WIDTH), style: 'cyan' } : '')),
      dispensable: 7,
    },
    { title: 'slots', cells: cells(({ slots }) => String(slots)), align: 'right', dispensable: 9 },
    {
      title: 'connections',
      cells: cells(({ connections }) => (connections === undefined ? '' : formatQuantity(connections))),
      align: 'right',
      dispensable: 2,
    },
    {
      title: 'packets/s',
      cells: cells((server) => {
        const rate = rateOf(server);
        if (rates !== undefined && server.packets === undefined) return '-';
        return rate === undefined ? '' : formatQuantity(rate);
      }),
      align: 'right',
      dispensable: 1,
    },
    { title: 'probe', cells: cells(probeCell), align: 'right', dispensable: 6 },
    { title: 'load', cells: cells(loadCell), align: 'right', dispensable: 10 },
    { title: 'why', cells: cells(remarks), dispensable: 2, elastic: true },
  ];
  const indent = INDENT.slice(0, width);
  return layOut(columns, width === undefined ? undefined : width - indent.length, paint).map((line) => indent + line);
}

function styleOf(state: string): { style?: Style } {
  const style = Object.hasOwn(STYLE_OF, state) ? STYLE_OF[state] : undefined;
  return style === undefined ? {} : { style };
}

function probeCell({ probe }: ServerStatus): Cell | string {
  if (!probe) return '';
  if (!probe.passed) return { text: 'failed', style: 'red' };
  return probe.latency === undefined ? 'passed' : formatLatency(probe.latency);
}

/** What the server last told of itself: processors, connections, a script's number; how long ago, where that is long. */
function loadCell({ report }: ServerStatus): Cell | string {
  if (!report) return '';
  const { age, cpu, connections, script } = report;
  if (age >= SILENT) return { text: `silent ${formatSeconds(age)}`, style: 'red' };
  const parts = [
    cpu === undefined ? '' : formatShare(cpu),
    connections === undefined ? '' : formatQuantity(connections),
    script === undefined ? '' : String(script),
  ];
  return parts.filter((part) => part !== '').join(' · ');
}

/** Why the state is what it is, what becomes of it by itself, and what else is to be known. */
function remarks({ reason, state, until, provenance, damped, probe }: ServerStatus): string {
  const failed = probe && !probe.passed && probe.reason !== reason ? `probe: ${probe.reason}` : '';
  const end = state === 'draining' ? 'ends in' : 'auto in';
  const parts = [
    reason,
    failed,
    until === undefined ? '' : `${end} ${formatSeconds(until)}`,
    damped ? 'damped: it flaps' : '',
    provenance === 'added' ? 'added at run time' : provenance === 'removing' ? 'being removed' : '',
  ];
  return oneLine(parts.filter((part) => part !== '').join('; '));
}
