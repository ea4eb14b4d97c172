/* Timers of CLOCK_MONOTONIC in a binary heap. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ONEIP_TIMER_H
#define ONEIP_TIMER_H

#include "host.h"

#define NANOSECONDS_PER_MILLISECOND 1000000

struct timer {
	void (*fire)(struct host *host, struct timer *timer);
	int64_t due;
	/* Earlier timers fire first where two are due at the same moment. */
	uint64_t sequence;
	/* Place in the heap, counted from 1; 0 = not pending. */
	size_t place;
};

/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t monotonic_now(void);

/* Makes `timer` pending, due at the given moment. Returns -1 where there is no memory. */
int timer_start(struct host *host, struct timer *timer, int64_t due);
/* Idempotent. */
void timer_stop(struct host *host, struct timer *timer);

/* Milliseconds until the soonest timer is due, for epoll_wait(2): -1 = there is none. */
int timers_wait(struct host *host);
/* Fires those that are due, but none that was started meanwhile. */
void timers_fire(struct host *host);

#endif
