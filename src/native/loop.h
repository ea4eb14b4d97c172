/* The event loop: epoll(7) on file descriptors, and timers. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ONEIP_LOOP_H
#define ONEIP_LOOP_H

#include "host.h"

/* A descriptor that the loop looks after. `events` are those waited for (EPOLLIN, EPOLLOUT); 0 = not in the loop. */
struct watch {
	int fd;
	uint32_t events;
	void (*ready)(struct host *host, struct watch *watch, uint32_t events);
};

/* Both return 0, or -1 with errno. */
int loop_open(struct host *host);
int watch_set(struct host *host, struct watch *watch, uint32_t events);

/*
 * Runs until nothing keeps the process alive. Returns early with false where `main_promise`, the module's evaluation,
 * has failed; the reason is then the pending exception.
 */
bool loop_run(struct host *host, JSValueConst main_promise);

void loop_close(struct host *host);

#endif
