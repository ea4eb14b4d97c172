import { getenv, isTerminal, terminalWidth } from 'oneip:runtime';

/** Standard output, as far as it matters to how something is shown. */
export interface TerminalState {
  /** True where what is written can be drawn over. */
  readonly live: boolean;
  /** True where colours are welcome (https://no-color.org). */
  readonly colour: boolean;
  /** Columns; absent where there is no terminal. */
  readonly width?: number;
}

/** How standard output is now; a window may change its width at any time. */
export function terminalState(): TerminalState {
  if (!isTerminal(1)) return { live: false, colour: false };
  const live = (getenv('TERM') ?? 'dumb') !== 'dumb';
  const width = terminalWidth(1);
  const colour = live && (getenv('NO_COLOR') ?? '') === '';
  return { live, colour, ...(width !== null && width > 0 && { width }) };
}

/** Columns of standard error where it can be drawn over. */
export function progressWidth(): number | undefined {
  if (!isTerminal(2) || (getenv('TERM') ?? 'dumb') === 'dumb') return undefined;
  return terminalWidth(2) ?? undefined;
}
