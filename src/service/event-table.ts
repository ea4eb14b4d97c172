import type { WritableTable } from '../ubus/blobmsg.ts';
import type { ServiceEvent } from './control.ts';
import { wireText } from './wire-text.ts';

/** An event as it goes over the bus: `action`, and those of `service`, `server` and `reason` that it has. */
export function eventTable({ action, service, server, reason }: ServiceEvent): WritableTable {
  return {
    action: wireText(action),
    service: service === undefined ? undefined : wireText(service),
    server: server === undefined ? undefined : wireText(server),
    reason: reason === undefined ? undefined : wireText(reason),
  };
}
