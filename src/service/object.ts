import type { Table, WritableTable } from '../ubus/blobmsg.ts';
import type { UbusClient } from '../ubus/client.ts';
import type { Answer, Methods } from '../ubus/object.ts';
import { method } from '../ubus/object.ts';
import { Status, UbusError } from '../ubus/status.ts';
import { Complaints } from './complaints.ts';
import type { Control, ServiceEvent } from './control.ts';
import { ControlError } from './control.ts';
import { dumpReply } from './dump-reply.ts';
import { oneLine } from './reason.ts';
import { checksReply, planReply, simulationReply } from './reply.ts';
import { eventTable } from './event-table.ts';
import { addServer, removeServer, setServer, setWeight } from './request.ts';
import { statisticsReply, statusReply } from './status-reply.ts';
import { WATCHDOG_EVENT, readReport } from './watchdog-event.ts';

/** Refused requests of which the log tells at once; whoever tries things out at a terminal sees each of them. */
const REFUSALS_AT_ONCE = 20;

/**
 * Characters of a configuration that anybody who may look can have checked: it keeps the daemon from its work meanwhile. No
 * longer one gets through uhttpd, either, which takes 64 KiB.
 */
const LONGEST_CONFIGURATION = 65_536;

/** Path of the object, and name of the event that tells of changes. */
export const OBJECT_PATH = 'oneip';

export interface PublicationEnvironment {
  /** Gets one line for each thing that nobody else is told. */
  readonly log: (line: string) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** The daemon on the bus. */
export interface Publication {
  /**
   * Tells the object's subscribers (the notification's type is the action) and sends the event `oneip`, both with the same
   * content. Without a bus nobody hears it, and nothing is kept for later: whoever returns asks for the status.
   */
  announce(event: ServiceEvent): void;
  /** Takes the object off the bus, and stops listening. Idempotent. */
  close(): void;
}

/**
 * Publishes the object `oneip`, and listens to what other programs tell about servers (event `oneip.watchdog`). May be
 * called before the client has connected; both are set up again on every connection.
 */
export function publishService(
  client: UbusClient,
  control: Control,
  { log, now }: PublicationEnvironment,
): Publication {
  const complaints = new Complaints(log, now);
  const object = client.publish(OBJECT_PATH, serviceMethods(control, new Complaints(log, now, REFUSALS_AT_ONCE)));
  const listener = client.listen(WATCHDOG_EVENT, (_, data) => hearReport(control, data, complaints));
  return {
    announce(event) {
      const table = eventTable(event);
      object.notify(event.action, table);
      client.sendEvent(OBJECT_PATH, table).catch((error: unknown) => {
        if (error instanceof UbusError && error.status === Status.CONNECTION_FAILED) return;
        complaints.add(`the event of '${event.action}' was not sent: ${String(error)}`);
      });
    },
    close() {
      object.cancel();
      listener.cancel();
    },
  };
}

function hearReport(control: Control, data: Table, complaints: Complaints): void {
  const report = readReport(data);
  if (typeof report === 'string') complaints.add(`event ${WATCHDOG_EVENT} ignored: ${report}`);
  else control.report(report);
}

function serviceMethods(control: Control, refusals: Complaints): Methods {
  /** Runs a request; what it says about the request becomes a status, and its sentence goes to the log. */
  const answering = async (name: string, request: () => Promise<Answer>): Promise<Answer> => {
    try {
      return await request();
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      // It quotes what the caller has sent, which may be anything.
      refusals.add(`ubus: ${name}: ${oneLine(error.message)}`);
      throw new UbusError(STATUS_OF[error.kind]);
    }
  };
  const reply = (name: string, request: () => Promise<WritableTable>) => answering(name, request);
  const order = (name: string, request: () => Promise<void>) => answering(name, () => request().then(() => undefined));

  return {
    status: method({ service: 'string' }, ({ service }) =>
      reply('status', async () => statusReply(await control.status(service))),
    ),
    get_stats: method({}, () => reply('get_stats', async () => statisticsReply(await control.status()))),
    set_server: method(
      {
        server: 'string',
        service: 'string',
        state: 'string',
        timeout: 'int32',
        reason: 'string',
        persist: 'int8',
      },
      (args) => order('set_server', async () => control.setServer(setServer(args))),
    ),
    set_weight: method({ server: 'string', service: 'string', weight: 'int32', persist: 'int8' }, (args) =>
      order('set_weight', async () => control.setWeight(setWeight(args))),
    ),
    add_server: method(
      {
        server: 'string',
        service: 'string',
        address: 'string',
        address6: 'string',
        weight: 'int32',
        persist: 'int8',
      },
      (args) => order('add_server', async () => control.addServer(addServer(args))),
    ),
    remove_server: method({ server: 'string', service: 'string', drain: 'int8', persist: 'int8' }, (args) =>
      order('remove_server', async () => control.removeServer(removeServer(args))),
    ),
    simulate: method({ service: 'string', client: 'string', port: 'int32' }, ({ service, client: asked, port }) =>
      reply('simulate', async () => {
        if (asked === undefined) throw new ControlError('invalid', "'client' is missing");
        if (port !== undefined && (port < 1 || port > 65535)) throw new ControlError('invalid', `${port} is no port`);
        const request = {
          client: asked,
          ...(service !== undefined && { service }),
          ...(port !== undefined && { port }),
        };
        return simulationReply(await control.simulate(request));
      }),
    ),
    plan: method({}, () => reply('plan', async () => planReply(await control.plan()))),
    check: method({ config: 'string' }, ({ config }) =>
      reply('check', async () => {
        if (config !== undefined && config.length > LONGEST_CONFIGURATION) {
          throw new ControlError('invalid', `a configuration of ${config.length} characters is too long`);
        }
        return checksReply(await control.check(config));
      }),
    ),
    reload: method({}, () =>
      order('reload', async () => {
        if (!(await control.reload())) {
          throw new ControlError('refused', 'the configuration has errors; the one in force stays');
        }
      }),
    ),
    dump: method({}, () => reply('dump', async () => dumpReply(await control.dump()))),
  };
}

/** A request that was understood and is not done is denied, as ubusd itself denies one. */
const STATUS_OF: Readonly<Record<ControlError['kind'], number>> = {
  invalid: Status.INVALID_ARGUMENT,
  'not-found': Status.NOT_FOUND,
  refused: Status.PERMISSION_DENIED,
};
