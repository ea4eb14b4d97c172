/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "rejection.h"
#include "report.h"
#include "signals.h"
#include "timer.h"

int loop_open(struct host *host)
{
	host->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return host->epoll_fd < 0 ? -1 : 0;
}

void loop_close(struct host *host)
{
	if (host->epoll_fd >= 0)
		close(host->epoll_fd);
	host->epoll_fd = -1;
}

int watch_set(struct host *host, struct watch *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };
	int operation;

	if (events == watch->events)
		return 0;
	if (events == 0)
		operation = EPOLL_CTL_DEL;
	else
		operation = watch->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
	if (epoll_ctl(host->epoll_fd, operation, watch->fd, &event) < 0 && events != 0)
		return -1;
	watch->events = events;
	return 0;
}

void host_run_jobs(struct host *host)
{
	JSContext *job_context;

	do {
		int result;

		while ((result = JS_ExecutePendingJob(host->rt, &job_context)) != 0) {
			if (result < 0)
				report_exception(host->ctx, "Uncaught");
		}
		rejections_report(host);
	} while (JS_IsJobPending(host->rt));
}

void host_call(struct host *host, JSValueConst function, int argc, JSValueConst *argv)
{
	/* The callback may be replaced, and so freed, while it runs. */
	JSValue held = JS_DupValue(host->ctx, function);
	JSValue result = JS_Call(host->ctx, held, JS_UNDEFINED, argc, argv);

	if (JS_IsException(result))
		report_exception(host->ctx, "Uncaught");
	JS_FreeValue(host->ctx, result);
	JS_FreeValue(host->ctx, held);
	host_run_jobs(host);
}

/*
 * One event a call, so that what is done about it may close any other descriptor and leave no stale event behind. Returns
 * false where none came within `timeout` milliseconds.
 */
static bool loop_event(struct host *host, int timeout)
{
	struct epoll_event event;
	int count = epoll_wait(host->epoll_fd, &event, 1, timeout);
	struct watch *watch;

	if (count < 0 && errno != EINTR) {
		fprintf(stderr, "oneip-runtime: epoll_wait: %s\n", strerror(errno));
		abort();
	}
	if (count <= 0)
		return false;
	watch = event.data.ptr;
	watch->ready(host, watch, event.events);
	return true;
}

/*
 * What has come in time is taken before timers tell that it is too late: after a long turn both are due. Timers need not wait
 * for more than so many events.
 */
#define EVENTS_BEFORE_TIMERS 256

static void loop_wait(struct host *host)
{
	bool more = loop_event(host, timers_wait(host));

	for (int i = 1; more && i < EVENTS_BEFORE_TIMERS; i++)
		more = loop_event(host, 0);
	timers_fire(host);
}

bool loop_run(struct host *host, JSValueConst main_promise)
{
	host_run_jobs(host);
	signals_begin();
	for (;;) {
		JSPromiseStateEnum state;

		host_run_jobs(host);
		state = JS_PromiseState(host->ctx, main_promise);
		if (state == JS_PROMISE_REJECTED) {
			JS_Throw(host->ctx, JS_PromiseResult(host->ctx, main_promise));
			return false;
		}
		if (host->alive == 0) {
			if (state != JS_PROMISE_PENDING)
				return true;
			JS_ThrowInternalError(host->ctx, "the script's top-level await never settles");
			return false;
		}
		loop_wait(host);
	}
}
