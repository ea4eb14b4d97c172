import {
  type ValueType,
  absolutePath,
  address,
  addressOf,
  boolean,
  choice,
  device,
  duration,
  headerField,
  host,
  integer,
  numberChoice,
  portRange,
  prefix,
  protocols,
  reference,
  secret,
  serverReference,
  statusRange,
  text,
  urlPath,
} from './value-types.ts';

declare const ONEIP_DOCUMENTED: boolean;

/** What is told to readers only: a router is spared it. */
function told(text: string): string {
  return ONEIP_DOCUMENTED ? text : '';
}

/** Where an option counts. */
interface Scope {
  /** Values of the section's option `type` with which it means something; absent: all. */
  readonly types?: readonly string[];
}

/** An option with one value. */
export interface SingleOption<T> extends Scope {
  readonly kind: 'single';
  readonly type: ValueType<T>;
  /** As it would be written. */
  readonly default: string;
  /** What it is for; Markdown. */
  readonly summary: string;
}

/** An option with one value or none; `absent` says what holds without (Markdown). */
export interface OptionalOption<T> extends Scope {
  readonly kind: 'optional';
  readonly type: ValueType<T>;
  readonly absent: string;
  /** True where a section without it is an error. */
  readonly required?: boolean;
  readonly summary: string;
}

/** An option with several values: `list` lines, or one `option` with blanks between them. */
export interface ListOption<T> extends Scope {
  readonly kind: 'list';
  readonly type: ValueType<T>;
  readonly default: readonly string[];
  /** What holds without values; Markdown. */
  readonly absent: string;
  /** True where a section without values is an error. */
  readonly required?: boolean;
  /** Another option that does in the place of a required one. */
  readonly unless?: string;
  readonly summary: string;
}

export type Option<T> = SingleOption<T> | OptionalOption<T> | ListOption<T>;

/** The options of a section type, in the order in which they are documented. */
export type OptionTable = Readonly<Record<string, Option<unknown>>>;

function single<T>(type: ValueType<T>, fallback: string, summary: string): SingleOption<T> {
  return { kind: 'single', type, default: fallback, summary: told(summary) };
}

function optional<T>(type: ValueType<T>, absent: string, summary: string): OptionalOption<T> {
  return { kind: 'optional', type, absent: told(absent), summary: told(summary) };
}

function required<T>(type: ValueType<T>, summary: string): OptionalOption<T> {
  return { kind: 'optional', type, absent: 'required', required: true, summary: told(summary) };
}

function list<T>(
  type: ValueType<T>,
  rest: Pick<ListOption<T>, 'absent' | 'summary'> & Partial<ListOption<T>>,
): ListOption<T> {
  return { kind: 'list', type, default: [], ...rest };
}

/** The same option, for some types of section only. */
function only<O extends Option<unknown>>(types: readonly string[], option: O): O {
  return { ...option, types };
}

/** Servers that marks and tables are kept for; the highest base leaves that many numbers above it. */
const reserved = 65536;

export const globalsOptions = {
  enabled: single(boolean, '1', '`0` switches everything off and leaves the services as they are written.'),
  mark_base: single(
    // Below, a mark could be the number of a slot.
    integer(65536, 2 ** 32 - reserved),
    '0x6f690000',
    'First firewall mark of the slow path; server number n gets `mark_base` + n. Change it where another program uses the same marks.',
  ),
  table_base: single(
    integer(256, 2 ** 32 - reserved),
    '28416',
    'First routing table of the slow path; server number n gets `table_base` + n.',
  ),
  rule_priority: single(
    integer(1, 32765),
    '900',
    "Preference of the slow path's policy routing rule. It must come before those of mwan3 (from 1001) and of pbr.",
  ),
  key: optional(
    secret,
    'router and servers do not talk',
    'Secret of the channel between the router and its servers, the same on all of them: who has it may say who serves whom. `head -c 24 /dev/urandom | base64` makes one.',
  ),
  channel_port: single(integer(1, 65535), '28521', 'UDP port of that channel, the same on all of them.'),
  load_script: optional(
    absolutePath,
    'servers tell their connections and processor time alone',
    'Program on the servers that prints a number, which they report over that channel as part of their load. Where it fails there is a warning, and no number.',
  ),
  load_interval: single(
    duration('1s', '1h'),
    '10s',
    'Time between two runs of `load_script`. One that takes longer than 5 s is ended.',
  ),
  bridge_bypass: single(
    boolean,
    '1',
    'Packets for a server leave by the port of the bridge behind which it is, as long as that is certain, and pass over the bridge, which is faster. `0` sends all of them by the bridge, for those who filter (ebtables, `br_netfilter`) or shape (`tc`) there.',
  ),
} as const;

export const serviceOptions = {
  enabled: single(boolean, '1', '`0` switches this service off. Its values are checked all the same.'),
  ghost: list(address, {
    required: true,
    unless: 'ghost_interface',
    absent: 'required, but for `ghost_interface`',
    summary:
      'Ghost address: what clients connect to, and what every server carries as a second address on `lo`. Several, of both families, belong to one service.',
  }),
  ghost_interface: list(device, {
    absent: 'ghost addresses are those of `ghost`',
    summary:
      'With `nat`: logical interface (or device) of the router whose own addresses are ghost addresses, too, whichever it has at the moment, of the families in which a server has an address. Without one the service waits. Name the interface of IPv6, such as wan6, besides wan.',
  }),
  proto: list(protocols, {
    default: ['tcp'],
    absent: '`tcp`',
    summary:
      'Protocols taken. `all` is everything that is sent to the ghost address, with ports or without, and excludes `port`.',
  }),
  port: list(portRange, {
    absent: 'all ports',
    summary: "Ports taken. A service on the router's own address must name some.",
  }),
  source: list(device, {
    default: ['wan'],
    absent: '`wan`',
    summary: 'Where clients arrive: devices or logical interfaces. Name the LAN too if its clients are to be served.',
  }),
  device: single(device, 'br-lan', 'Where the servers live: a device or a logical interface, with Ethernet headers.'),
  hash: single(
    choice(['source', 'source_port']),
    'source',
    'What picks the server: the address of the client (`source`), so that it keeps to one server, or its address and both ports (`source_port`), so that its connections spread.',
  ),
  hash_prefix6: single(
    integer(32, 128, 8),
    '64',
    'Leading bits of an IPv6 client that are hashed. 64 takes a household with all its privacy addresses for one client.',
  ),
  allow: list(prefix, { absent: 'everybody', summary: 'Clients that may use the service.' }),
  deny: list(prefix, { absent: 'nobody', summary: 'Clients that may not, even if `allow` holds them.' }),
  slots: single(
    numberChoice([256, 512, 1024, 2048, 4096]),
    '4096',
    'Entries of the allocation table. More make finer shares; fewer load faster.',
  ),
  seed: optional(
    integer(0, 2 ** 32 - 1),
    'made of the name',
    'Seed of the hash. Without it, FNV-1a (32 bits) of the name of the section, so that all routers agree.',
  ),
  dispatch: single(
    choice(['route', 'broadcast', 'multicast', 'nat']),
    'route',
    "How packets get to the servers. `route`: the router hands each to the server that it is for, unmodified, by that server's own neighbour entry. `broadcast`, `multicast`: the router sends all of them to all servers, in frames to everybody or to the service's group, and each server drops what is not its own; the servers need the filter for it. `nat`: the router puts the server's address in the ghost's place and tracks every connection; the servers need nothing, and neither carry the ghost nor know of it.",
  ),
  scheduler: single(
    choice(['hash', 'round_robin', 'random', 'least']),
    'hash',
    'With `route` and `nat`: what picks the server of a new connection, by the weights in any case. `hash`: the hash of the client. `round_robin`: each server in turn. `random`: chance. `least`: chance as well, where servers whose load is small for their weight get more, up to three times their share. With the last three a client has connections to several servers, and with `route` the router remembers who has which, in a table of `flow_limit` connections.',
  ),
  flow_limit: single(
    integer(256, 1048576),
    '65535',
    'With `route` and another `scheduler` than `hash`: how many connections of each family the router remembers. Further ones go by the hash until there is room again. A table of 65535 takes 10 to 20 MB when it is full. Another value makes a new table, so that open connections are lost.',
  ),
  flow_timeout: single(
    duration('1m', '30d'),
    '2h',
    'With `route` and another `scheduler` than `hash`: how long a TCP connection is remembered after its last packet. One that has ended is forgotten after two minutes, one that never got beyond its SYN after one, and a UDP flow after `idle_timeout`.',
  ),
  masquerade: single(
    boolean,
    '0',
    "With `nat`: `1` has servers see the router in the client's place, for servers whose way back to the client does not lead through this router. Clients in the servers' own subnet are masqueraded in any case.",
  ),
  ghost2: list(address, {
    absent: "chosen: a free address of the servers' subnet",
    summary:
      "With `broadcast` and `multicast`: second ghost address, to which the router sends what is for the ghost address; one a family. It is nobody's address and never seen on the wire.",
  }),
  second_chance: single(
    boolean,
    '0',
    'With `route` and `oneip server` on the servers: one that gets a segment of a TCP connection that it does not know asks the others, to whom it passes the segment in a frame to everybody; who has the connection takes it. So connections outlive even a router that has forgotten a change. For those of a server that is dead nobody answers with a RST then; `on_failure` `reset` has the router do it.',
  ),
  on_change: single(
    choice(['keep', 'reset']),
    'keep',
    'What becomes of open connections when a server is added, drained, reweighted or comes back: they stay with the server that they have (`keep`), or the router answers their next segment with a RST, so that the client connects anew (`reset`).',
  ),
  on_failure: single(
    choice(['pass', 'reset', 'drop']),
    'pass',
    'What the connections of a server that has failed get: the next segment goes to another server, whose stack answers with a RST (`pass`), or the router answers with one itself (`reset`), or they hear nothing (`drop`).',
  ),
  all_down: single(
    choice(['keep', 'reject']),
    'keep',
    'What clients get while no server is up: packets go to all servers as if they were (`keep`), or an ICMP error comes back (`reject`).',
  ),
  adapt: single(
    boolean,
    '0',
    'With `scheduler` `hash`: `1` has the load of the servers shape their shares, slowly, around what their weights say: at most one slot of a hundred moves in a minute, and no connection breaks. The load is what the servers report, or else the packets that they get.',
  ),
  drain_timeout: single(
    duration('1s', '30d'),
    '1h',
    'How long connections are kept where a change found them. What still is open then is broken, and counted.',
  ),
  idle_timeout: single(
    duration('1s', '1d'),
    '5m',
    'A server that got no packet of an old connection for that long is taken to have none left: a change ends, a drained server may be unplugged. With `route` and another `scheduler` than `hash`: how long a UDP flow is remembered after its last packet.',
  ),
  learn_time: single(
    duration('0s', '1h'),
    '30s',
    'How long after a change unknown UDP flows are taken for old ones and stay where they were. Longer than the keepalives of the protocol; UDP knows no beginning of a connection.',
  ),
} as const;

export const serverOptions = {
  enabled: single(
    boolean,
    '1',
    '`0` switches this server off: its clients go to the others, and come back with it; nobody else moves.',
  ),
  service: list(reference, { absent: 'no service', summary: 'Names of the services that the server takes part in.' }),
  address: optional(addressOf(4, 'address6'), 'no IPv4 clients', 'Its own (primary) IPv4 address.'),
  address6: optional(
    addressOf(6, 'address'),
    'no IPv6 clients',
    'Its own (primary) IPv6 address, not a link-local one.',
  ),
  weight: single(
    integer(0, 1000),
    '100',
    'Its share of the clients relative to the other servers of a service: 200 gets twice what 100 gets, 0 nothing.',
  ),
  port: optional(
    integer(1, 65535),
    "the service's",
    'Port on which it serves, with `dispatch` `nat`, for services with a single port.',
  ),
} as const;

/** Those that ask, rather than wait to be told. */
const asking = ['ping', 'arp', 'tcp', 'http', 'script', 'report'] as const;

export const watchdogOptions = {
  enabled: single(boolean, '1', '`0` switches this watchdog off. Its values are checked all the same.'),
  type: required(
    choice([...asking, 'ubus']),
    'How servers are asked: for an ICMP echo (`ping`), for the address of their network card (`arp`, which for IPv6 is a neighbour solicitation), for a TCP connection (`tcp`) or a page (`http`), or by a program of yours (`script`). With `report` the server itself tells, over the channel that `key` opens: each turn waits for its next report. With `ubus` nobody is asked; programs tell.',
  ),
  service: list(reference, { absent: 'all services', summary: 'Services whose servers it watches.' }),
  server: list(serverReference, {
    absent: 'all servers of the services',
    summary: 'Servers that it watches, in those of the services of which they are part.',
  }),
  interval: only(
    asking,
    single(
      duration('50ms', '1h'),
      '1s',
      'Time from one probe of a server to the next. While a probe still waits for its answer the next one is not sent; it follows when that has ended. A server that refuses connections is asked again sooner.',
    ),
  ),
  timeout: only(
    asking,
    single(
      duration('50ms', '1m'),
      '1s',
      'A probe that has no answer by then has failed. A server that has gone silent is taken out after `fall` times this or `interval`, whichever is longer.',
    ),
  ),
  rise: only(asking, single(integer(1, 100), '2', 'Probes that succeed one after the other until a server is back.')),
  fall: only(asking, single(integer(1, 100), '3', 'Probes that fail one after the other until a server is taken out.')),
  port: only(
    ['tcp', 'http'],
    optional(
      integer(1, 65535),
      'the first port of the service',
      'TCP port that is asked. Services without TCP ports are watched only where it is given.',
    ),
  ),
  path: only(['http'], single(urlPath, '/', 'What is asked for, by GET.')),
  host: only(['http'], optional(host, 'the ghost address', 'Content of the `Host` header.')),
  status: only(
    ['http'],
    list(statusRange, { default: ['200-399'], absent: '`200-399`', summary: 'Status codes that are accepted.' }),
  ),
  header: only(
    ['http'],
    optional(
      headerField,
      'any',
      'Header that the answer must have, and a text that must be in it, in capital or small letters.',
    ),
  ),
  body: only(['http'], optional(text, 'any', 'Text that must be in the first 64 KiB of the page, as written.')),
  script: only(['script'], required(absolutePath, 'Program that asks: exit status 0 says that the server is well.')),
  ttl: only(
    ['ubus'],
    single(
      duration('1s', '1d'),
      '60s',
      'How long a report holds that does not say so itself. After that the reporter has no opinion.',
    ),
  ),
  half_life: single(
    duration('0s', '1h'),
    '30s',
    'Damping of servers that come and go: each change adds 1000 to a penalty, which halves in this time. A server with more than 3000 stays out until less than 1000 is left. `0` = no damping.',
  ),
} as const;

/** Every section type with its options. */
export const sectionTypes = {
  globals: globalsOptions,
  service: serviceOptions,
  server: serverOptions,
  watchdog: watchdogOptions,
} as const;
