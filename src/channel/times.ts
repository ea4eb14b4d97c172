// Times of the channel, in milliseconds. What keeps two servers from holding a slot at the same time is their order: a server's
// lease is over before the router takes the server for gone.

/** Between beats of the router. */
export const BEAT_INTERVAL = 250;
/** Between reports of a server. */
export const REPORT_INTERVAL = 500;
/** The same while the last report that the router is known to have heard is older than this many milliseconds, and its lease runs. */
export const HURRIED = { interval: 250, from: 2000 };
/** Between two messages that something has called for at once. */
export const SHORTEST_GAP = 20;
/**
 * From a table until the next one of it grants what is free, as long as somebody has not acknowledged it. Who lets go at once does
 * so within this time, and one table tells of all of it, where one for each would have every server busy with all the others.
 */
export const GATHERING = 100;
/** Until a table that somebody lacks is sent again. */
export const REPEAT_AFTER = 100;
/**
 * How long a server may rely on what it has been told, from when it sent the last report that the router is known to have
 * heard. A server to which everything comes 2 s late knows that of a report after up to 2 s and a beat, and the next one is
 * sent 0.5 s after it: whoever is that slow must keep its slots, or nobody would serve them. It reports in a hurry, so that the router may stand still for more than a
 * second meanwhile.
 */
export const LEASE = 4000;
/** Without a report that answers, until a server is taken for gone. Longer than `LEASE`. */
export const SILENCE = 4500;
/** Of a silence in which the router hears nobody at all, only so much counts: it may be the router that is cut off. */
export const SILENCE_OF_ALL = 1000;
/** At the start of an epoch, until servers that have not been heard are taken for gone. Longer than `LEASE`, too. */
export const FIRST_SILENCE = 5000;
/** Without any sign of a router, until a server listens to what others report of it, and it is dead if all of them have seen none. */
export const DESERTED = 1000;
/** Between two looks at the clock, from which on a server has been stopped: what it reads then may have waited for long. */
export const STOPPED = 1500;
/** How long a server goes on that has taken the router for dead and hears of one again: should that die at once, long enough to see it. */
export const GRACE = 2000;
/** Without any router, until a server that has been told nothing, and is the only one, takes what the configuration gives it. */
export const PATIENCE = 3000;
