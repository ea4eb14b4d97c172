import { oneLine } from '../service/reason.ts';
import type { Table } from '../ubus/blobmsg.ts';
import type { Paint, Style } from './style.ts';
import { plain } from './style.ts';
import { text } from './status-reader.ts';

const STYLE_OF: Readonly<Record<string, Style>> = {
  up: 'green',
  down: 'red',
  draining: 'yellow',
  drained: 'cyan',
  disabled: 'dim',
};

/** A change on one line: `12:30:05  down  web/web1  no answer`. */
export function formatEvent(time: string, event: Table, paint: Paint = plain): string {
  const action = oneLine(text(event['action']));
  const style = Object.hasOwn(STYLE_OF, action) ? STYLE_OF[action] : undefined;
  const padded = action.padEnd(10);
  const subject = [text(event['service']), text(event['server'])].filter((part) => part !== '').join('/');
  const parts = [
    paint('dim', time),
    style === undefined ? padded : paint(style, padded),
    ...[subject, text(event['reason'])].map(oneLine).filter((part) => part !== ''),
  ];
  return parts.join('  ').trimEnd();
}
