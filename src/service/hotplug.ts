import type { ServiceEvent } from './control.ts';
import { oneLine } from './reason.ts';

/** Where OpenWrt looks for scripts, and what runs them. */
export const HOTPLUG_PROGRAM = '/sbin/hotplug-call';
export const HOTPLUG_DIRECTORY = '/etc/hotplug.d/oneip';
const TYPE = 'oneip';
/** As procd has it. */
const PATH = '/usr/sbin:/usr/bin:/sbin:/bin';

/** A program to be run, with its whole environment. */
export interface HotplugCall {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Sources each script by itself, in the order of their names, as `hotplug-call` does; what one sets another does not see. */
const SOURCE_ALL = 'for script in "$2"/*; do [ -f "$script" ] && ( . "$script" ); done; :';

/**
 * What is to be run for an event: `hotplug-call oneip` with ACTION, and those of SERVICE, SERVER and REASON that the event
 * has, in the environment, as procd runs it. `program`: absent where there is no `hotplug-call`; then a shell sources the
 * scripts of the directory itself.
 */
export function hotplugCall(event: ServiceEvent, directory: string, program?: string): HotplugCall {
  const { action, service, server, reason } = event;
  const environment = {
    PATH,
    // The order of names is that of their bytes.
    LC_ALL: 'C',
    HOTPLUG_TYPE: TYPE,
    ACTION: oneLine(action),
    ...(service !== undefined && { SERVICE: oneLine(service) }),
    ...(server !== undefined && { SERVER: oneLine(server) }),
    ...(reason !== undefined && { REASON: oneLine(reason) }),
  };
  const argv = program === undefined ? ['/bin/sh', '-c', SOURCE_ALL, 'hotplug-call', TYPE, directory] : [program, TYPE];
  return { argv, environment };
}
