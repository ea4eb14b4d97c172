/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BENCH_SENDERS_H
#define BENCH_SENDERS_H

#include "flows.h"

/* A way to bring frames to the router. Both functions return false with the reason in errno. */
struct sender {
	const char *name;
	/* Makes ready to send by a device of the network namespace that we are in. */
	bool (*open)(const struct flows *flows, const char *device);
	/*
	 * Sends so many packets, from POSITION on, which moves; returns when the router has done with them. Adds to NANOSECONDS
	 * how long it took, without what only has to be prepared.
	 */
	bool (*send)(struct position *position, uint32_t packets, uint64_t *nanoseconds);
};

/* Time on CLOCK_MONOTONIC. */
uint64_t now_in_nanoseconds(void);

extern const struct sender packet_socket;
extern const struct sender live_frames;

#endif
