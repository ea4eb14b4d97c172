/* What all of the host shares: the engine, the loop and what hangs on it. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ONEIP_HOST_H
#define ONEIP_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "list.h"
#include "quickjs.h"

/* What holds a member; <list.h> wants it under this name too. */
#define container_of(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))

struct timer;

struct host {
	JSRuntime *rt;
	JSContext *ctx;

	/* Absolute path of the running script, and the arguments behind its name. */
	char *script_path;
	int argument_count;
	char **arguments;

	int epoll_fd;
	/* Pending timers, sockets with callbacks and running children: the loop ends when there are none. */
	unsigned int alive;

	/* Binary heap of pending timers, soonest first. */
	struct timer **timers;
	size_t timer_count;
	size_t timer_capacity;
	uint64_t timer_sequence;

	struct list_head script_timers; /* struct script_timer */
	struct list_head sockets;       /* struct socket, those with callbacks */
	struct list_head processes;     /* struct process */
	struct list_head rejections;    /* struct rejection */

	JSClassID timer_class;
	JSClassID socket_class;
	JSClassID process_class;
};

static inline struct host *host_of(JSContext *ctx)
{
	return JS_GetContextOpaque(ctx);
}

/* Calls `function` from the loop, reports what it throws, and runs the jobs that it left. */
void host_call(struct host *host, JSValueConst function, int argc, JSValueConst *argv);

/* Runs pending jobs (promise reactions, microtasks) until there are none, then reports unhandled rejections. */
void host_run_jobs(struct host *host);

#endif
