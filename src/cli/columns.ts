import type { Paint, Style } from './style.ts';
import { plain } from './style.ts';

/** A cell: what it says, and how it looks. */
export interface Cell {
  readonly text: string;
  readonly style?: Style;
}

export interface Column {
  readonly title: string;
  readonly cells: readonly Cell[];
  readonly align?: 'left' | 'right';
  /** The higher, the sooner the column goes where the terminal is narrow; 0 stays. */
  readonly dispensable: number;
  /** True: may be cut at its end instead of making the table wider. */
  readonly elastic?: boolean;
}

const GAP = '  ';
/** Width to which an elastic column is cut before others go. */
const LEAST_ELASTIC = 20;

/**
 * Lines of a table: titles, then rows. Columns in which no row says anything are left out. Where the width is known, elastic
 * columns are cut first, then dispensable ones go, then lines are cut.
 */
export function layOut(columns: readonly Column[], width: number | undefined, paint: Paint = plain): string[] {
  let shown = columns.filter(({ cells }) => cells.some(({ text }) => text !== ''));
  if (width !== undefined) {
    while (leastWidth(shown) > width) {
      const first = shown.reduce((worst, column) => Math.max(worst, column.dispensable), 0);
      if (first === 0) break;
      shown = shown.filter(({ dispensable }) => dispensable !== first);
    }
  }
  const widths = shown.map(naturalWidth);
  const excess = width === undefined ? 0 : total(widths) - width;
  const elastic = shown.findIndex((column) => column.elastic);
  if (excess > 0 && elastic >= 0) widths[elastic] = Math.max(1, (widths[elastic] ?? 0) - excess);

  const rows = shown[0]?.cells.length ?? 0;
  const cellsOf = (row: number): readonly Cell[] => shown.map(({ cells }) => cells[row] ?? { text: '' });
  const line = (cells: readonly Cell[]): string => {
    let room = width ?? Infinity;
    const parts: string[] = [];
    cells.forEach(({ text, style }, index) => {
      const size = widths[index] ?? 0;
      const shownText = cut(text, Math.min(size, Math.max(0, room)));
      const last = index === cells.length - 1;
      const blanks = ' '.repeat(Math.max(0, Math.min(size, room) - lengthOf(shownText)));
      const painted = style === undefined ? shownText : paint(style, shownText);
      parts.push(shown[index]?.align === 'right' ? blanks + painted : painted + (last ? '' : blanks));
      room -= size;
      if (!last && room > 0) parts.push(GAP.slice(0, room));
      room -= GAP.length;
    });
    return parts.join('').replace(/ +$/, '');
  };
  return [
    line(shown.map(({ title }) => ({ text: title, style: 'dim' }))),
    ...Array.from({ length: rows }, (_, row) => line(cellsOf(row))),
  ];
}

/** Characters of a text that are shown at most; the last one says that there is more. */
export function cut(text: string, width: number): string {
  if (lengthOf(text) <= width) return text;
  return width <= 0
    ? ''
    : `${Array.from(text)
        .slice(0, width - 1)
        .join('')}…`;
}

export function lengthOf(text: string): number {
  return Array.from(text).length;
}

function naturalWidth({ title, cells }: Column): number {
  return cells.reduce((most, { text }) => Math.max(most, lengthOf(text)), lengthOf(title));
}

function leastWidth(columns: readonly Column[]): number {
  return total(
    columns.map((column) => (column.elastic ? Math.min(LEAST_ELASTIC, naturalWidth(column)) : naturalWidth(column))),
  );
}

function total(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, 0) + Math.max(0, widths.length - 1) * GAP.length;
}
