/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The time that Node.js tells, too, by `process.hrtime`. Included by programs of one file each.
 */
#ifndef MONOTONIC_CLOCK_H
#define MONOTONIC_CLOCK_H

#include <err.h>
#include <time.h>

/* Milliseconds of CLOCK_MONOTONIC; where there are none the program ends. */
static double now(void)
{
	struct timespec time;

	if (clock_gettime(CLOCK_MONOTONIC, &time))
		err(1, "clock_gettime");
	return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

#endif
