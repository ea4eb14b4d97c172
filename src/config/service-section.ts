import { checkAdaptation, isAdapting } from './adaptation.ts';
import { checkDispatch } from './dispatch.ts';
import type { Findings } from './findings.ts';
import { type Service, isFlooded, isTranslated } from './model.ts';
import { readPlacement } from './placement.ts';
import type { serviceOptions } from './options.ts';
import type { Entry, TypedSection } from './parse.ts';
import { commonPorts, formatPortRange, mergePorts } from './ports.ts';
import type { Positions } from './positions.ts';
import { checkSectionName } from './section-name.ts';
import { seedOfName } from './seed.ts';
import { whyUnusable } from './unusable.ts';
import { quote } from './wording.ts';

export type ServiceSection = TypedSection<typeof serviceOptions>;

/** The service that a section describes, still without servers; `undefined` where it is off, or bad (and reported). */
export function readService(section: ServiceSection, findings: Findings, positions: Positions): Service | undefined {
  const { values, label } = section;
  const name = checkSectionName(section, 'service', findings);
  const usable = checkGhosts(section, findings);
  const portsFit = checkPorts(section, findings);
  const dispatchFits = checkDispatch(section, findings);
  checkTimes(section, findings);
  checkAdaptation(section, findings);
  if (name === undefined || !section.sound || !usable || !portsFit || !dispatchFits || !values.enabled.value)
    return undefined;

  positions.note(section.line, label);
  for (const { value, line } of values.ghost) positions.note(line, label, 'ghost', value.text);
  for (const { value, line } of values.ghost_interface) positions.note(line, label, 'ghost_interface', value);
  for (const { value, line } of values.ghost2) positions.note(line, label, 'ghost2', value.text);
  for (const { value, line } of values.source) positions.note(line, label, 'source', value);
  positions.note(values.device.line, label, 'device');
  positions.note(values.dispatch.line, label, 'dispatch');
  const given = new Set(values.proto.flatMap(({ value }) => value));
  return {
    name,
    ghosts: plain(values.ghost),
    ...(values.ghost_interface.length > 0 ? { ghostInterfaces: plain(values.ghost_interface) } : {}),
    protocols: given.has('all') ? ['all'] : (['tcp', 'udp'] as const).filter((protocol) => given.has(protocol)),
    ports: mergePorts(plain(values.port)),
    sources: plain(values.source),
    device: values.device.value,
    hash: values.hash.value,
    hashPrefix6: values.hash_prefix6.value,
    allow: plain(values.allow),
    deny: plain(values.deny),
    slots: values.slots.value,
    seed: values.seed?.value ?? seedOfName(name),
    dispatch: values.dispatch.value,
    ...(isTranslated({ dispatch: values.dispatch.value })
      ? { translation: { scheduler: values.scheduler.value, masquerade: values.masquerade.value } }
      : readPlacement(values)),
    ghost2: isFlooded({ dispatch: values.dispatch.value }) ? plain(values.ghost2) : [],
    secondChance: values.dispatch.value === 'route' && values.second_chance.value,
    onChange: values.on_change.value,
    onFailure: values.on_failure.value,
    allDown: values.all_down.value,
    ...(isAdapting(values) ? { adapt: true } : {}),
    drainTimeout: values.drain_timeout.value,
    idleTimeout: values.idle_timeout.value,
    learnTime: values.learn_time.value,
    servers: [],
    disabled: [],
  };
}

function plain<T>(entries: readonly Entry<T>[]): T[] {
  return entries.map(({ value }) => value);
}

function checkGhosts({ values, label }: ServiceSection, findings: Findings): boolean {
  let usable = true;
  for (const { value, line } of values.ghost) {
    const reason = whyUnusable(value);
    if (reason === undefined) continue;
    usable = false;
    findings.error(
      { line, section: label, option: 'ghost' },
      `${quote(value.text)} ${reason}`,
      'a unicast address that clients can reach',
    );
  }
  return usable;
}

function checkPorts({ values, label }: ServiceSection, findings: Findings): boolean {
  values.port.forEach(({ value, line }, index) => {
    const earlier = values.port.slice(0, index).find((other) => commonPorts([other.value], [value]).length > 0);
    if (!earlier) return;
    findings.warning(
      { line, section: label, option: 'port' },
      `'${formatPortRange(value)}' overlaps with '${formatPortRange(earlier.value)}' (line ${earlier.line})`,
    );
  });
  const [first] = values.port;
  if (!first || !values.proto.some(({ value }) => value.includes('all'))) return true;
  findings.error(
    { line: first.line, section: label, option: 'port' },
    "does not go with proto 'all', which takes every protocol whole",
    'proto tcp, udp or tcp+udp; or no ports',
  );
  return false;
}

/** A change ends at `drain_timeout`, and whatever is longer ends with it. */
function checkTimes({ values, given, label, sound }: ServiceSection, findings: Findings): void {
  const { drain_timeout, learn_time, idle_timeout, proto } = values;
  if (!sound) return;
  const limit = drain_timeout.value;
  const takesUdp = proto.some(({ value }) => value.some((protocol) => protocol !== 'tcp'));
  if (learn_time.value > limit && (given.has('learn_time') || takesUdp)) {
    findings.warning(
      { line: given.get('learn_time') ?? drain_timeout.line, section: label, option: 'learn_time' },
      "is longer than 'drain_timeout', which ends the learning before",
      "a longer 'drain_timeout', or a shorter time here",
    );
  }
  if (idle_timeout.value > limit && given.has('idle_timeout')) {
    findings.warning(
      { line: idle_timeout.line, section: label, option: 'idle_timeout' },
      "is longer than 'drain_timeout', so that nothing ends by it",
      "a longer 'drain_timeout', or a shorter time here",
    );
  }
}
