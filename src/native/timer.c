/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "timer.h"

#include <limits.h>
#include <stdlib.h>
#include <time.h>

int64_t monotonic_now(void)
{
	struct timespec now;

	/* Fails only for a clock that does not exist. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 * NANOSECONDS_PER_MILLISECOND + now.tv_nsec;
}

static bool sooner(const struct timer *a, const struct timer *b)
{
	return a->due != b->due ? a->due < b->due : a->sequence < b->sequence;
}

static void put(struct host *host, struct timer *timer, size_t place)
{
	host->timers[place - 1] = timer;
	timer->place = place;
}

static void move_up(struct host *host, struct timer *timer, size_t place)
{
	while (place > 1 && sooner(timer, host->timers[place / 2 - 1])) {
		put(host, host->timers[place / 2 - 1], place);
		place /= 2;
	}
	put(host, timer, place);
}

static void move_down(struct host *host, struct timer *timer, size_t place)
{
	size_t child;

	while ((child = place * 2) <= host->timer_count) {
		if (child < host->timer_count && sooner(host->timers[child], host->timers[child - 1]))
			child++;
		if (!sooner(host->timers[child - 1], timer))
			break;
		put(host, host->timers[child - 1], place);
		place = child;
	}
	put(host, timer, place);
}

int timer_start(struct host *host, struct timer *timer, int64_t due)
{
	if (host->timer_count == host->timer_capacity) {
		size_t capacity = host->timer_capacity ? host->timer_capacity * 2 : 16;
		struct timer **timers = realloc(host->timers, capacity * sizeof(struct timer *));

		if (!timers)
			return -1;
		host->timers = timers;
		host->timer_capacity = capacity;
	}
	timer->due = due;
	timer->sequence = host->timer_sequence++;
	move_up(host, timer, ++host->timer_count);
	return 0;
}

void timer_stop(struct host *host, struct timer *timer)
{
	size_t place = timer->place;
	struct timer *last;

	if (place == 0)
		return;
	timer->place = 0;
	last = host->timers[--host->timer_count];
	if (last == timer)
		return;
	if (place > 1 && sooner(last, host->timers[place / 2 - 1]))
		move_up(host, last, place);
	else
		move_down(host, last, place);
}

int timers_wait(struct host *host)
{
	int64_t milliseconds;

	if (host->timer_count == 0)
		return -1;
	/* Rounded up: a timer must not fire early. */
	milliseconds = host->timers[0]->due - monotonic_now() + NANOSECONDS_PER_MILLISECOND - 1;
	milliseconds /= NANOSECONDS_PER_MILLISECOND;
	if (milliseconds < 0)
		return 0;
	return milliseconds > INT_MAX ? INT_MAX : (int)milliseconds;
}

void timers_fire(struct host *host)
{
	uint64_t started_later = host->timer_sequence;
	int64_t now;

	if (host->timer_count == 0)
		return;
	now = monotonic_now();
	while (host->timer_count > 0) {
		struct timer *timer = host->timers[0];

		if (timer->due > now || timer->sequence >= started_later)
			return;
		timer_stop(host, timer);
		timer->fire(host, timer);
	}
}
