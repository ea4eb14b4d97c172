import type { Terminal } from './terminal.ts';
import type { Client } from './population.ts';

/** What the table shows of one server. */
export interface Column {
  readonly name: string;
  /** As the daemon tells it. */
  readonly state: string;
  /** Connections to it that have been lost since the start. */
  readonly broken: number;
}

const labelWidth = 32;
const columnWidth = 11;
const barWidth = 9;
const eighths = ' ▏▎▍▌▋▊▉█';

/** The live table: requests by client and server, then what each server has of the whole. */
export function renderTable(terminal: Terminal, columns: readonly Column[], clients: readonly Client[]): string[] {
  const row = (label: string, cells: readonly string[]) =>
    (label.padEnd(labelWidth) + cells.map((cell) => cell.padStart(columnWidth)).join('')).trimEnd();
  const total = (server: string) => clients.reduce((sum, { requests }) => sum + (requests.get(server) ?? 0), 0);
  const recent = clients.filter(({ lastServer }) => lastServer !== undefined);
  const share = ({ name }: Column) =>
    recent.length === 0 ? 0 : recent.filter(({ lastServer }) => lastServer === name).length / recent.length;
  const held = ({ name }: Column) => clients.filter((client) => client.held?.server === name).length;
  const some = sample(clients);
  const rule = terminal.style('dim', '─'.repeat(labelWidth + columns.length * columnWidth));
  return [
    rule,
    terminal.style(
      'bold',
      row(
        'requests by client and server',
        columns.map(({ name }) => name),
      ),
    ),
    ...some.map((client) => {
      const cells = columns.map(({ name }) => String(client.requests.get(name) ?? '·'));
      return row(`  ${client.address.padEnd(21)}${client.place}`, cells);
    }),
    terminal.style('dim', `  … and ${clients.length - some.length} more clients`),
    rule,
    row(
      '  all requests',
      columns.map(({ name }) => String(total(name))),
    ),
    row(
      '  clients now served',
      columns.map((column) => percent(share(column))),
    ),
    terminal.style(
      'cyan',
      row(
        '',
        columns.map((column) => `  ${bar(share(column), columns.length)}`),
      ),
    ),
    row(
      '  connections held',
      columns.map((column) => String(held(column))),
    ),
    row(
      '  connections broken so far',
      columns.map(({ broken }) => String(broken)),
    ),
    row(
      '  state',
      columns.map(({ state }) => state),
    ),
    rule,
  ];
}

/** A few clients of every place and family. */
function sample(clients: readonly Client[]): Client[] {
  const internet = clients.filter(({ place }) => place === 'internet');
  const some = (wanted: (client: Client) => boolean, count: number) => internet.filter(wanted).slice(0, count);
  return [
    ...some(({ address }) => !address.includes(':'), 4),
    ...some(({ address }) => address.includes(':'), 2),
    ...clients.filter(({ place }) => place !== 'internet'),
  ];
}

/** A bar that is full at twice the even share. */
function bar(share: number, servers: number): string {
  const filled = Math.min(barWidth * 8, Math.round((share * servers * barWidth * 8) / 2));
  const text = '█'.repeat(filled >> 3) + (filled % 8 > 0 ? (eighths[filled % 8] ?? '') : '');
  return text.padEnd(barWidth);
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
