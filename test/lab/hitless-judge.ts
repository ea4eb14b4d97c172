import type { Drop } from './machine-drops.ts';
import type { Attempt, Break, Loss, Stall } from './traffic-load.ts';

/** How a server can fail. */
export type Cause = 'killed' | 'cut' | 'alias' | 'stopped';

/** A failure of a server. Times are milliseconds of one clock. */
export interface Outage {
  readonly server: string;
  readonly cause: Cause;
  /** From before it failed. */
  readonly from: number;
  /** New connections are sent to it until the daemon notices: it was in use, or has been put to use. */
  inUse: boolean;
  /** It has been taken out of use so lately that UDP flows which nobody knows are still taken for old ones of its. */
  readonly isLearnt?: boolean;
  /** When the daemon told that it is down. */
  noticed?: number;
  /** When the daemon told last that it is not down any more. */
  back?: number;
  /** When it was well again. */
  mended?: number;
  /** When it was well again and, if it had been found down, known to be; absent: it is not, or may still be found down. */
  until?: number;
}

/** Milliseconds that a new connection may take. A SYN that is lost is repeated after 1 s (RFC 6298). */
export const patienceOfNew = 900;

/**
 * Why a flow broke that its server's failure explains; `undefined` where nothing does. A failure explains what had no answer
 * since the server was well again, however late the client notices: its next segment may have met another server meanwhile.
 */
export function causeOfBreak(broken: Break, outages: readonly Outage[]): Cause | undefined {
  // Nobody knows whose a connection would have been that was never answered.
  if (broken.server === '') return causeOfAttempt(broken, outages, broken.options.protocol);
  return outages.find(
    (outage) =>
      outage.server === broken.server &&
      outage.from <= broken.time &&
      broken.good <= (outage.until ?? Infinity) + backlogOf(outage),
  )?.cause;
}

/** Milliseconds in which a server that goes on answers what has waited. */
const backlog = 100;

/** Milliseconds in which it does so though its connections are others' by now. */
function backlogOf({ cause, noticed }: Outage): number {
  return cause === 'stopped' && noticed !== undefined ? backlog : 0;
}

/**
 * True where a new connection was answered as soon as one should be: time in which the client itself stood still is not
 * counted, nor is anything where the machine threw packets away, so that a SYN may have had to be repeated.
 */
export function wentWell(
  { began, time, reason }: Attempt,
  stalls: readonly Stall[],
  drops: readonly Drop[] = [],
): boolean {
  if (reason === undefined && mayBeDropped(began, drops)) return true;
  const lost = stalls.map((stall) => Math.max(0, Math.min(stall.time, time) - Math.max(stall.since, began)));
  return reason === undefined && time - began - lost.reduce((sum, part) => sum + part, 0) <= patienceOfNew;
}

/** Why a new connection failed or hung; `undefined` where no server was failing, unknown to the daemon, at that time. */
export function causeOfAttempt(
  { began, time }: Pick<Attempt, 'began' | 'time'>,
  outages: readonly Outage[],
  protocol: 'tcp' | 'udp' = 'tcp',
): Cause | undefined {
  return outages.find(
    ({ inUse, isLearnt, from, noticed, mended }) =>
      (inUse || (isLearnt && protocol === 'udp')) && from <= time && began <= (noticed ?? mended ?? Infinity),
  )?.cause;
}

/** Milliseconds between a datagram and its answer, at most: who fails in that time may have had it. */
const underWay = 100;

/** True where the machine threw packets away while the one that was sent at `since`, or its answer, was under way. */
export function mayBeDropped(since: number, drops: readonly Drop[]): boolean {
  return drops.some((drop) => drop.since <= since + underWay && since <= drop.time);
}

/**
 * Why a datagram had no answer. A flow whose server has failed since its last answer may be anybody's, and so may one that
 * nobody has answered yet: there the failure of another server explains it, too.
 */
export function causeOfLoss({ server, since, good }: Loss, outages: readonly Outage[]): Cause | undefined {
  const time = since + underWay;
  const failed = (from: number) =>
    outages.find((one) => one.server === server && one.from <= time && from <= overOf(one))?.cause;
  const cause = failed(since);
  if (cause !== undefined || (server !== '' && failed(good) === undefined)) return cause;
  return causeOfAttempt({ began: since, time }, outages, 'udp');
}

/** When a server takes datagrams again: while it was stopped its socket may have filled. */
function overOf({ cause, until = Infinity }: Outage): number {
  return cause === 'stopped' ? until + backlog : until;
}
