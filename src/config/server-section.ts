import type { Address } from '../net/address.ts';
import type { Findings } from './findings.ts';
import type { Server } from './model.ts';
import type { serverOptions } from './options.ts';
import type { Entry, TypedSection } from './parse.ts';
import type { Positions } from './positions.ts';
import { checkSectionName } from './section-name.ts';
import { whyUnusable } from './unusable.ts';
import { quote } from './wording.ts';

export type ServerSection = TypedSection<typeof serverOptions>;

/** A ghost address, and the label of a service that has it. */
export type GhostOwners = ReadonlyMap<string, string>;

/** A server with the names of the services that it wants to take part in. */
export interface ServerDraft {
  readonly server: Server;
  /** False: switched off, but a member still. */
  readonly enabled: boolean;
  readonly section: ServerSection;
}

/** The server that a section describes; `undefined` where it is bad (and reported). `ghosts`: addresses it cannot have. */
export function readServer(
  section: ServerSection,
  ghosts: GhostOwners,
  findings: Findings,
  positions: Positions,
): ServerDraft | undefined {
  const { values, label, line } = section;
  const { address, address6 } = values;
  const name = checkSectionName(section, 'server', findings);
  const fit = [
    checkAddress(section, 'address', address, ghosts, findings),
    checkAddress(section, 'address6', address6, ghosts, findings),
  ];
  const enabled = values.enabled.value;
  if (section.sound && !address && !address6) {
    if (enabled)
      findings.error(
        { line, section: label },
        'has no address',
        "option 'address' (IPv4), option 'address6' (IPv6) or both",
      );
    return undefined;
  }
  if (name === undefined || !section.sound || fit.includes(false)) return undefined;

  positions.note(line, label);
  if (address) positions.note(address.line, label, 'address');
  if (address6) positions.note(address6.line, label, 'address6');
  if (values.port) positions.note(values.port.line, label, 'port');
  return {
    server: {
      name,
      ...(address ? { address: address.value } : {}),
      ...(address6 ? { address6: address6.value } : {}),
      weight: values.weight.value,
      ...(values.port ? { port: values.port.value } : {}),
    },
    enabled,
    section,
  };
}

function checkAddress(
  section: ServerSection,
  option: string,
  entry: Entry<Address> | undefined,
  ghosts: GhostOwners,
  findings: Findings,
): boolean {
  if (!entry) return true;
  const { text } = entry.value;
  const place = { line: entry.line, section: section.label, option };
  const unusable = whyUnusable(entry.value);
  const owner = ghosts.get(text);
  if (unusable !== undefined) {
    findings.error(
      place,
      `${quote(text)} ${unusable}`,
      "the server's own unicast address on the device of its services",
    );
  } else if (owner !== undefined) {
    findings.error(
      place,
      `${quote(text)} is a ghost address of ${owner}`,
      "the server's own address, which no other server has",
    );
  }
  return unusable === undefined && owner === undefined;
}
