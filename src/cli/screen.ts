/** What a terminal is sent to show a page in place of what was there, and to have that back afterwards. */

/** Another screen, without cursor. */
export const ENTER = '\x1b[?1049h\x1b[?25l';
/** The cursor and the screen from before. */
export const LEAVE = '\x1b[?25h\x1b[?1049l';

/** Draws a page over the one that is shown; nothing flickers, since only what is left of the old one is cleared. */
export function redraw(page: string): string {
  const lines = page.replace(/\n$/, '').split('\n');
  return `\x1b[H${lines.map((line) => `${line}\x1b[K`).join('\r\n')}\x1b[J`;
}
