import { formatPrefix, maskAddress, parseAddress, parsePrefix } from '../net/address.ts';
import type { Address, Family, Prefix } from '../net/address.ts';
import type { PortRange, ServiceProtocol } from './model.ts';
import { alternatives } from './wording.ts';

/** What a text means; or why it means nothing, as a clause that follows the quoted text (`is no port`). */
export type Reading<T> = { readonly value: T } | { readonly reason: string; readonly accepted?: string };

/** A kind of value that an option may take. */
export interface ValueType<T> {
  /** In the reference: `port`. */
  readonly name: string;
  /** Ends the message about a wrong value; also the reference's description of right ones. */
  readonly accepted: string;
  readonly read: (text: string) => Reading<T>;
  /** True where the value must not be shown, be it right or wrong. */
  readonly isSecret?: boolean;
  /** Equal for equal values; the value as text where absent. */
  key?(value: T): string;
}

/** What UCI's own scripts take for a truth value. */
const truths: ReadonlyMap<string, boolean> = new Map([
  ...['1', 'on', 'true', 'yes', 'enabled'].map((text) => [text, true] as const),
  ...['0', 'off', 'false', 'no', 'disabled'].map((text) => [text, false] as const),
]);

export const boolean: ValueType<boolean> = {
  name: 'boolean',
  accepted: '1 or 0 (or on/off, true/false, yes/no, enabled/disabled)',
  read(text) {
    const value = truths.get(text);
    return value === undefined ? { reason: 'is neither true nor false' } : { value };
  },
};

/** A whole number from `min` to `max`, decimal or, with `0x`, hexadecimal; only multiples of `step`. */
export function integer(min: number, max: number, step = 1): ValueType<number> {
  return {
    name: 'number',
    accepted: `a whole number ${min}–${max}${step === 1 ? '' : ` in steps of ${step}`}`,
    read(text) {
      if (/^-[1-9]\d*$/.test(text)) return { reason: 'is too small' };
      // A leading zero would mean octal to some readers and decimal to others.
      if (!/^(0|[1-9]\d{0,15}|0[xX][0-9a-fA-F]{1,12})$/.test(text)) return { reason: 'is no number' };
      const value = Number(text);
      if (value < min) return { reason: 'is too small' };
      if (value > max) return { reason: 'is too large' };
      return value % step === 0 ? { value } : { reason: `is no multiple of ${step}` };
    },
  };
}

const DURATION_UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A duration in milliseconds, `min` and `max` written like values; a number without unit is seconds. */
export function duration(min: string, max: string): ValueType<number> {
  const parse = (text: string): number | undefined => {
    const found = /^(0|[1-9]\d{0,8})(ms|s|m|h|d)?$/.exec(text);
    const unit = (found?.[2] ?? 's') as keyof typeof DURATION_UNITS;
    return found ? Number(found[1]) * DURATION_UNITS[unit] : undefined;
  };
  return {
    name: 'duration',
    accepted: `a duration ${min}–${max}: a whole number with ms, s, m, h or d (none: seconds)`,
    read(text) {
      const value = parse(text);
      if (value === undefined) return { reason: 'is no duration' };
      if (value < (parse(min) ?? 0)) return { reason: 'is too short' };
      return value > (parse(max) ?? 0) ? { reason: 'is too long' } : { value };
    },
    key: String,
  };
}

/** One word of several; `note` goes behind the list of them. */
export function choice<const T extends string>(words: readonly T[], note = ''): ValueType<T> {
  return {
    name: 'word',
    accepted: `${alternatives(words)}${note}`,
    read(text) {
      const value = words.find((word) => word === text);
      return value === undefined ? { reason: 'is unknown' } : { value };
    },
  };
}

/** One number of several. */
export function numberChoice(numbers: readonly number[]): ValueType<number> {
  return {
    name: 'number',
    accepted: alternatives(numbers.map(String)),
    read(text) {
      const value = numbers.find((number) => String(number) === text);
      return value === undefined ? { reason: 'is none of the possible numbers' } : { value };
    },
  };
}

const addressKey = (address: Address): string => address.text;

export const address: ValueType<Address> = {
  name: 'address',
  accepted: 'an IPv4 or IPv6 address',
  read: readAddress,
  key: addressKey,
};

/** An address of one family; `elsewhere` names the option for the other family. */
export function addressOf(family: Family, elsewhere: string): ValueType<Address> {
  return {
    name: `IPv${family} address`,
    accepted: `an IPv${family} address`,
    read(text) {
      const reading = readAddress(text);
      if (!('value' in reading) || reading.value.family === family) return reading;
      return {
        reason: `is an IPv${reading.value.family} address`,
        accepted: `an IPv${family} address here, and this one in option '${elsewhere}'`,
      };
    },
    key: addressKey,
  };
}

function readAddress(text: string): Reading<Address> {
  const value = parseAddress(text);
  if (value) return { value };
  const [bare = ''] = text.split(/[/%]/);
  if (text === bare || !parseAddress(bare)) return { reason: 'is no address' };
  if (text.includes('/')) return { reason: 'has a prefix length', accepted: `'${bare}'` };
  return { reason: 'has a zone, as only link-local addresses have' };
}

export const prefix: ValueType<Prefix> = {
  name: 'prefix',
  accepted: 'a prefix such as 192.0.2.0/24 or 2001:db8::/32, or one address',
  read(text) {
    const value = parsePrefix(text);
    if (value) return { value };
    const [addressText = '', lengthText = ''] = text.split('/');
    const stray = parseAddress(addressText);
    const length = Number(lengthText);
    if (!stray || !/^\d{1,3}\/?$/.test(lengthText) || length > stray.bytes.length * 8)
      return { reason: 'is no prefix' };
    return {
      reason: `has bits set behind the first ${length}`,
      accepted: `'${formatPrefix(maskAddress(stray, length))}', or '${stray.text}' for the one address`,
    };
  },
  key: formatPrefix,
};

export const portRange: ValueType<PortRange> = {
  name: 'port or range',
  accepted: 'a port 1–65535, or a range such as 8000-8010',
  read: (text) => readRange(text, 1, 65535, 'port'),
  key: rangeKey,
};

/** Status codes of HTTP (RFC 9110 §15); what is beyond 599 is no code, whoever sends it. */
export const statusRange: ValueType<PortRange> = {
  name: 'status code or range',
  accepted: 'a status code 100–599, or a range such as 200-299',
  read: (text) => readRange(text, 100, 599, 'status code'),
  key: rangeKey,
};

function rangeKey({ first, last }: PortRange): string {
  return `${first}-${last}`;
}

/** One number from `min` to `max`, or two with a hyphen between them. */
function readRange(text: string, min: number, max: number, noun: string): Reading<PortRange> {
  const match = /^([1-9]\d{0,4})(?:-([1-9]\d{0,4}))?$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  const fits = (number: number): boolean => min <= number && number <= max;
  if (!fits(first) || !fits(last)) return { reason: text.includes('-') ? `is no range of ${noun}s` : `is no ${noun}` };
  return first > last
    ? { reason: 'ends before it begins', accepted: `'${last}-${first}'` }
    : { value: { first, last } };
}

const protocolSets: ReadonlyMap<string, readonly ServiceProtocol[]> = new Map([
  ['tcp', ['tcp']],
  ['udp', ['udp']],
  ['tcp+udp', ['tcp', 'udp']],
  ['all', ['all']],
]);

export const protocols: ValueType<readonly ServiceProtocol[]> = {
  name: 'word',
  accepted: alternatives([...protocolSets.keys()]),
  read(text) {
    const value = protocolSets.get(text);
    return value === undefined ? { reason: 'is no protocol that a service can take' } : { value };
  },
  key: (value) => value.join('+'),
};

/** A network device or a logical interface; the rules are the kernel's for names of devices (`dev_valid_name`). */
export const device: ValueType<string> = {
  name: 'device',
  accepted: 'a device such as eth0.2 or a logical interface such as wan, at most 15 characters',
  read(text) {
    if (text === 'lo') return { reason: 'is the loopback device, which leads to nobody' };
    const valid = /^[!-~]{1,15}$/.test(text) && !/[/:]/.test(text) && text !== '.' && text !== '..';
    return valid ? { value: text } : { reason: 'is no name of a device' };
  },
};

/** The name of another section, which must exist; whether it does is seen when all are read. */
export const reference: ValueType<string> = {
  name: 'name of a service',
  accepted: 'the name of a service section',
  read: (text) => ({ value: text }),
};

export const serverReference: ValueType<string> = {
  name: 'name of a server',
  accepted: 'the name of a server section',
  read: (text) => ({ value: text }),
};

/** Any text; an empty one counts for nothing in UCI. */
export const text: ValueType<string> = {
  name: 'text',
  accepted: 'a text',
  read: (text) => ({ value: text }),
};

/** Path and query of a URL, as they go into a request (RFC 9112 §3.2.1). */
export const urlPath: ValueType<string> = {
  name: 'path',
  accepted: 'a path that begins with /, without blanks, others than ASCII characters as %XX',
  read: (text) => {
    if (!text.startsWith('/')) return { reason: 'does not begin with /' };
    return /^[!-~]+$/.test(text) ? { value: text } : { reason: 'has characters that a URL cannot have' };
  },
};

/** What may stand in a `Host` header (RFC 9110 §7.2). */
export const host: ValueType<string> = {
  name: 'host',
  accepted: 'a name or an address (IPv6 in brackets), perhaps with :PORT',
  read: (text) =>
    /^([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[1-9]\d{0,4})?$/.test(text)
      ? { value: text }
      : { reason: 'is no host' },
};

/** A header's name (a token, RFC 9110 §5.6.2) and a part of its content. */
export const headerField: ValueType<string> = {
  name: 'header',
  accepted: "a header and a text, such as 'Content-Type: text/html'",
  read: (text) =>
    /^[A-Za-z0-9!#$%&'*+.^_`|~-]+:[^\p{Cc}]*$/u.test(text) ? { value: text } : { reason: 'is no header with a text' },
};

export const absolutePath: ValueType<string> = {
  name: 'path',
  accepted: 'the absolute path of a program',
  read: (text) => {
    if (text.includes('\0')) return { reason: 'has a NUL, as no path has' };
    return text.startsWith('/') ? { value: text } : { reason: 'is not absolute' };
  },
};

/** Of a key: printable ASCII characters without blanks, so that it is the same wherever it is written. */
export const secret: ValueType<string> = {
  name: 'secret',
  accepted: '16 to 128 printable ASCII characters without blanks',
  isSecret: true,
  read: (text) => {
    if (!/^[!-~]*$/.test(text)) return { reason: 'has others than printable ASCII characters' };
    if (text.length < 16) return { reason: 'is too short' };
    return text.length > 128 ? { reason: 'is too long' } : { value: text };
  },
};
