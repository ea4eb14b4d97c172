import type { Family } from '../net/address.ts';
import { encodeUtf8 } from '../net/utf8.ts';
import { Reader, Writer, varintLength } from './bytes.ts';
import { packNumbers, packedLength, unpackNumbers } from './slot-numbers.ts';

// A message of the channel is one UDP datagram, numbers in network byte order:
//
//   'o' 'i', format (1), kind, length of all of it (2 bytes), life of the sender (8), its sequence number (8), content, tag (16)
//
// A sender's life is a random number that it takes at its start: an epoch where it is the router's, a session where it is a
// server's. Sequence numbers count the messages of a life, from 1. The tag is made and checked by `seal.ts`.

/** Bytes at the end of a message that show who has made it. */
export const TAG_LENGTH = 16;
/** Longest message: a report on very many services. */
export const LONGEST_MESSAGE = 48 * 1024;
/** Longest message that goes over an Ethernet in one piece: 1500 bytes without the headers of IPv6 and UDP. */
export const DATAGRAM = 1452;

const FORMAT = 3;
const KINDS = { beat: 1, table: 2, report: 3, flows: 4 } as const;
const HEADER_LENGTH = 22;

const MOST_ENTRIES = 4096;
export const MOST_SLOTS = 4096;
/** Of the messages of routers that a report proves to have been heard. */
export const MOST_PROOFS = 4;

/** Where in a datagram its kind stands, and those of what servers send: for those who filter. */
export const KIND_OFFSET = 3;
export const SERVER_KINDS = [KINDS.report, KINDS.flows] as const;

/** Entry of a slot that nobody has. */
export const NOBODY = 0xffff;

/** Which table is meant: a service has one for each family of its ghosts. */
export interface TableName {
  readonly service: string;
  readonly family: Family;
}

/** What every message begins with. */
interface Envelope {
  /** Random, not 0. */
  readonly life: bigint;
  readonly sequence: number;
}

/** A message of a server that the router has heard last. */
export interface HeardServer {
  readonly server: string;
  readonly session: bigint;
  readonly sequence: number;
}

/** By the router, at regular times and on changes: what is in force, and whom it hears. Of many servers each beat names a part. */
export interface Beat extends Envelope {
  readonly kind: 'beat';
  /** All tables; a version of 0: none has been announced yet, and servers keep the one that they have. */
  readonly tables: readonly (TableName & { readonly version: number })[];
  readonly heard: readonly HeardServer[];
}

/** By the router: who has which slot, or as much of that as a datagram has room for; see `table-content.ts`. */
export interface TablePart extends Envelope, TableName {
  readonly kind: 'table';
  /** Grows with every change of this table within an epoch, from 1. */
  readonly version: number;
  /** Which part, from 0, of how many. */
  readonly part: number;
  readonly parts: number;
  readonly content: Uint8Array;
}

/** How a server's own service is, by its own judgement. */
export interface ServiceHealth {
  readonly service: string;
  readonly well: boolean;
  /** A few words. */
  readonly reason: string;
}

export interface ServerLoad {
  /** Connections of this server. */
  readonly connections: number;
  /** Share of the processors' time that is used, 0–1. */
  readonly cpu: number;
  /** Number that a script of the operator's has told. */
  readonly script?: number;
}

/** A table as a server holds it. */
export interface HeldTable extends TableName {
  /** Of the epoch that the server has taken; 0: none of it. */
  readonly version: number;
  /** Number of the list of flows that it goes on with; 0: there has been none in this session. */
  readonly generation: number;
  /**
   * For each slot 1 where it is one of its own. With version 0, what the server holds all the same; with another one it is told to
   * other servers, while no router is heard.
   */
  readonly held?: Uint16Array;
}

/** By a server: what it holds, and how it is. */
export interface Report extends Envelope {
  readonly kind: 'report';
  readonly server: string;
  /** Last messages of routers that it has heard, of each epoch one, at most `MOST_PROOFS`. */
  readonly heard: readonly Envelope[];
  /** Epoch that its versions are of; 0: none. */
  readonly epoch: bigint;
  readonly tables: readonly HeldTable[];
  readonly health: readonly ServiceHealth[];
  readonly load?: ServerLoad;
}

/** By a server: the flows that it goes on with in slots of others, or as many as a datagram has room for; see `flow.ts`. */
export interface FlowsPart extends Envelope, TableName {
  readonly kind: 'flows';
  readonly server: string;
  /** Grows with every change of this list within a session, from 1. */
  readonly generation: number;
  /** Which part, from 0, of how many. */
  readonly part: number;
  readonly parts: number;
  readonly content: Uint8Array;
}

export type Message = Beat | TablePart | Report | FlowsPart;

/** The message without its tag. */
export function encodeMessage(message: Message): Uint8Array {
  const writer = new Writer();
  writer.u8(0x6f).u8(0x69).u8(FORMAT).u8(KINDS[message.kind]).u16(0).u64(message.life).count(message.sequence);
  if (message.kind === 'beat') writeBeat(writer, message);
  else if (message.kind === 'table') writeTable(writer, message);
  else if (message.kind === 'flows') writeFlows(writer, message);
  else writeReport(writer, message);
  const bytes = writer.finish();
  const length = bytes.length + TAG_LENGTH;
  if (length > LONGEST_MESSAGE) throw new RangeError(`a message of ${length} bytes is too long`);
  new DataView(bytes.buffer).setUint16(4, length);
  return bytes;
}

/** Cuts the packed content of a table, or of a server's list, into parts of which each goes into one datagram. */
export function splitContent(content: Uint8Array, { service }: TableName, server = ''): Uint8Array[] {
  // Behind the header: the names with their lengths, the family, a version of eight bytes at most, and both numbers of the part.
  const names = 2 + encodeUtf8(service).length + encodeUtf8(server).length;
  const room = DATAGRAM - HEADER_LENGTH - TAG_LENGTH - (names + 1 + 8 + 4);
  return Array.from({ length: Math.ceil(content.length / room) }, (_, part) =>
    content.subarray(part * room, (part + 1) * room),
  );
}

/** Parts the servers that are heard among beats of which each goes into one datagram; one at least, whomever it names. */
export function splitHeard(tables: Beat['tables'], heard: readonly HeardServer[]): HeardServer[][] {
  const ofText = (text: string): number => 1 + encodeUtf8(text).length;
  const named = tables.reduce((length, { service }) => length + ofText(service) + 1 + 8, 0);
  // With very many services the tables alone do not fit; then a beat is as long as it has to be.
  const room = Math.max(DATAGRAM - HEADER_LENGTH - TAG_LENGTH - 4 - named, DATAGRAM / 2);
  const parts: HeardServer[][] = [[]];
  let length = 0;
  for (const entry of heard) {
    const own = ofText(entry.server) + 8 + varintLength(entry.sequence);
    if (length + own > room) {
      parts.push([]);
      length = 0;
    }
    parts.at(-1)?.push(entry);
    length += own;
  }
  return parts;
}

/**
 * What the beginning of a datagram tells, before anybody believes it: its kind; or why it cannot be a message: it is not as
 * long as it says, or is none of this format.
 */
export function peek(datagram: Uint8Array): Message['kind'] | 'truncated' | 'unknown' {
  if (datagram.length < HEADER_LENGTH + TAG_LENGTH || datagram.length > LONGEST_MESSAGE) return 'truncated';
  const [o, i, format, kind, high = 0, low = 0] = datagram;
  if (o !== 0x6f || i !== 0x69 || format !== FORMAT) return 'unknown';
  if (((high << 8) | low) !== datagram.length) return 'truncated';
  if (kind === KINDS.beat) return 'beat';
  if (kind === KINDS.table) return 'table';
  if (kind === KINDS.flows) return 'flows';
  return kind === KINDS.report ? 'report' : 'unknown';
}

/** The message in a datagram of which `peek` knows the kind; `undefined` where its content cannot be. */
export function decodeMessage(datagram: Uint8Array, kind: Message['kind']): Message | undefined {
  const reader = new Reader(datagram.subarray(6, datagram.length - TAG_LENGTH));
  try {
    const envelope = readEnvelope(reader);
    const message =
      kind === 'beat'
        ? readBeat(reader, envelope)
        : kind === 'table'
          ? readTable(reader, envelope)
          : kind === 'flows'
            ? readFlows(reader, envelope)
            : readReport(reader, envelope);
    reader.end();
    return message;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function writeBeat(writer: Writer, { tables, heard }: Beat): void {
  writer.u16(tables.length);
  for (const table of tables) writeTableName(writer, table).varint(table.version);
  writer.u16(heard.length);
  for (const { server, session, sequence } of heard) writer.text(server).u64(session).varint(sequence);
}

function readBeat(reader: Reader, envelope: Envelope): Beat {
  return {
    kind: 'beat',
    ...envelope,
    tables: readList(reader, () => ({ ...readTableName(reader), version: reader.varint() })),
    heard: readList(reader, () => ({ server: reader.text(), session: reader.u64(), sequence: reader.varint() })),
  };
}

function writeTable(writer: Writer, table: TablePart): void {
  writeTableName(writer, table).varint(table.version);
  writePart(writer, table);
}

function readTable(reader: Reader, envelope: Envelope): TablePart {
  const name = readTableName(reader);
  const version = reader.varint();
  if (version === 0) throw new RangeError('no version');
  return { kind: 'table', ...envelope, ...name, version, ...readPart(reader) };
}

function writeFlows(writer: Writer, flows: FlowsPart): void {
  writeTableName(writer.text(flows.server), flows).varint(flows.generation);
  writePart(writer, flows);
}

function readFlows(reader: Reader, envelope: Envelope): FlowsPart {
  const server = reader.text();
  const name = readTableName(reader);
  const generation = reader.varint();
  if (generation === 0) throw new RangeError('no generation');
  return { kind: 'flows', ...envelope, server, ...name, generation, ...readPart(reader) };
}

type Part = Pick<TablePart, 'part' | 'parts' | 'content'>;

function writePart(writer: Writer, { part, parts, content }: Part): void {
  writer.u16(part).u16(parts).bytes(content);
}

function readPart(reader: Reader): Part {
  const part = reader.u16();
  const parts = reader.u16();
  if (part >= parts) throw new RangeError('no such part');
  return { part, parts, content: reader.rest() };
}

function writeReport(writer: Writer, { server, heard, epoch, tables, health, load }: Report): void {
  writer.text(server).u16(heard.length);
  for (const { life, sequence } of heard) writer.u64(life).count(sequence);
  writer.u64(epoch).u16(tables.length);
  for (const table of tables) {
    const { version, generation, held } = table;
    writeTableName(writer, table)
      .varint(version)
      .varint(generation)
      .u16(held?.length ?? 0);
    if (held) writer.bytes(packNumbers(held, 2));
  }
  writer.u16(health.length);
  for (const { service, well, reason } of health)
    writer
      .text(service)
      .u8(well ? 1 : 0)
      .text(reason);
  writer.u8(load ? (load.script === undefined ? 1 : 2) : 0);
  if (!load) return;
  writer.u32(Math.min(Math.max(Math.round(load.connections), 0), 2 ** 32 - 1)).f64(load.cpu);
  if (load.script !== undefined) writer.f64(load.script);
}

function readReport(reader: Reader, envelope: Envelope): Report {
  const server = reader.text();
  const heard = readList(reader, () => readEnvelope(reader), MOST_PROOFS);
  const epoch = reader.u64();
  const tables = readList(reader, (): HeldTable => {
    const name = readTableName(reader);
    const version = reader.varint();
    const generation = reader.varint();
    const slots = reader.u16();
    if (slots > MOST_SLOTS) throw new RangeError('too many slots');
    if (slots === 0) return { ...name, version, generation };
    return { ...name, version, generation, held: unpackNumbers(reader.bytes(packedLength(slots, 2)), slots, 2) };
  });
  const health = readList(reader, () => ({
    service: reader.text(),
    well: readFlag(reader),
    reason: reader.text(),
  }));
  const load = readLoad(reader);
  return { kind: 'report', ...envelope, server, heard, epoch, tables, health, ...(load ? { load } : {}) };
}

function readLoad(reader: Reader): ServerLoad | undefined {
  const form = reader.u8();
  if (form === 0) return undefined;
  if (form > 2) throw new RangeError('unknown form of load');
  const connections = reader.u32();
  const cpu = reader.f64();
  if (!(cpu >= 0 && cpu <= 1)) throw new RangeError('no share');
  if (form === 1) return { connections, cpu };
  const script = reader.f64();
  if (!Number.isFinite(script)) throw new RangeError('no number');
  return { connections, cpu, script };
}

function readEnvelope(reader: Reader): Envelope {
  const life = reader.u64();
  const sequence = reader.count();
  if (life === 0n || sequence === 0) throw new RangeError('no life, or no sequence number');
  return { life, sequence };
}

function writeTableName(writer: Writer, { service, family }: TableName): Writer {
  return writer.text(service).u8(family);
}

function readTableName(reader: Reader): TableName {
  const service = reader.text();
  const family = reader.u8();
  if (family !== 4 && family !== 6) throw new RangeError('unknown family');
  return { service, family };
}

function readFlag(reader: Reader): boolean {
  const flag = reader.u8();
  if (flag > 1) throw new RangeError('no flag');
  return flag === 1;
}

function readList<Item>(reader: Reader, read: () => Item, most = MOST_ENTRIES): Item[] {
  const count = reader.u16();
  if (count > most) throw new RangeError('too many entries');
  return Array.from({ length: count }, read);
}
