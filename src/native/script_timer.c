/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "script_timer.h"

#include <math.h>

#include "timer.h"
#include "value.h"

/* As browsers have it: 2^31 - 1 ms, nearly 25 days. */
#define MAX_DELAY 2147483647.0

struct script_timer {
	struct timer timer;
	struct list_head link;
	/* The Timer object while the timer is pending, so that it is not collected; else undefined. */
	JSValue self;
	JSValue callback;
	/* Nanoseconds; -1 = fires once. */
	int64_t interval;
	int argument_count;
	JSValue arguments[];
};

static void timer_finalizer(JSRuntime *rt, JSValueConst value)
{
	struct host *host = JS_GetRuntimeOpaque(rt);

	/* A pending timer holds its object, so this one is idle. */
	js_free_rt(rt, JS_GetOpaque(value, host->timer_class));
}

static const JSClassDef timer_class = { "Timer", .finalizer = timer_finalizer };

/* Gives back what a pending timer holds, itself included where nobody else holds it. */
static void release(struct host *host, struct script_timer *timer)
{
	JSValue self = timer->self;

	list_del(&timer->link);
	host->alive--;
	timer->self = JS_UNDEFINED;
	for (int i = 0; i < timer->argument_count; i++)
		JS_FreeValue(host->ctx, timer->arguments[i]);
	timer->argument_count = 0;
	JS_FreeValue(host->ctx, timer->callback);
	timer->callback = JS_UNDEFINED;
	JS_FreeValue(host->ctx, self);
}

static void cancel(struct host *host, struct script_timer *timer)
{
	if (JS_IsUndefined(timer->self))
		return;
	timer_stop(host, &timer->timer);
	release(host, timer);
}

static void fire(struct host *host, struct timer *base)
{
	struct script_timer *timer = (struct script_timer *)base;
	/* The callback may cancel the timer: what the call needs is held until it is over. */
	JSValue self = JS_DupValue(host->ctx, timer->self);
	JSValue callback = JS_DupValue(host->ctx, timer->callback);
	int count = timer->argument_count;

	for (int i = 0; i < count; i++)
		JS_DupValue(host->ctx, timer->arguments[i]);
	if (timer->interval >= 0) {
		int64_t now = monotonic_now();
		int64_t due = timer->timer.due + timer->interval;

		/* Turns that were missed are not made up for. There is room: this timer has just left the heap. */
		(void)timer_start(host, &timer->timer, due < now ? now + timer->interval : due);
	} else {
		release(host, timer);
	}
	host_call(host, callback, count, timer->arguments);
	for (int i = 0; i < count; i++)
		JS_FreeValue(host->ctx, timer->arguments[i]);
	JS_FreeValue(host->ctx, callback);
	JS_FreeValue(host->ctx, self);
}

static JSValue start(JSContext *ctx, JSValueConst callback, double milliseconds, bool repeat, int argc,
		     JSValueConst *argv)
{
	struct host *host = host_of(ctx);
	int64_t delay = (int64_t)(milliseconds * NANOSECONDS_PER_MILLISECOND);
	struct script_timer *timer = js_malloc(ctx, sizeof(*timer) + (size_t)argc * sizeof(JSValue));
	JSValue object;

	if (!timer)
		return JS_EXCEPTION;
	object = JS_NewObjectClass(ctx, host->timer_class);
	if (JS_IsException(object)) {
		js_free(ctx, timer);
		return JS_EXCEPTION;
	}
	timer->timer.fire = fire;
	timer->timer.place = 0;
	timer->self = JS_UNDEFINED;
	JS_SetOpaque(object, timer);
	if (timer_start(host, &timer->timer, monotonic_now() + delay) < 0) {
		JS_FreeValue(ctx, object);
		return JS_ThrowOutOfMemory(ctx);
	}
	timer->self = JS_DupValue(ctx, object);
	timer->callback = JS_DupValue(ctx, callback);
	timer->interval = repeat ? delay : -1;
	timer->argument_count = argc;
	for (int i = 0; i < argc; i++)
		timer->arguments[i] = JS_DupValue(ctx, argv[i]);
	list_add_tail(&timer->link, &host->script_timers);
	host->alive++;
	return object;
}

static JSValue set_timer(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	double delay;
	bool repeat = false;

	(void)this_val, (void)argc;
	if (!JS_IsFunction(ctx, argv[0]))
		return JS_ThrowTypeError(ctx, "\"callback\" must be a function");
	if (!value_number(ctx, argv[1], "delay", 0, MAX_DELAY, &delay))
		return JS_EXCEPTION;
	if (!JS_IsUndefined(argv[2]) && !value_boolean(ctx, argv[2], "repeat", &repeat))
		return JS_EXCEPTION;
	return start(ctx, argv[0], delay, repeat, 0, NULL);
}

static JSValue timer_cancel(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	struct host *host = host_of(ctx);
	struct script_timer *timer = JS_GetOpaque2(ctx, this_val, host->timer_class);

	(void)argc, (void)argv;
	if (!timer)
		return JS_EXCEPTION;
	cancel(host, timer);
	return JS_UNDEFINED;
}

/* setTimeout(callback, delay, ...arguments), and setInterval where `magic` is 1: any delay will do, as on the web. */
static JSValue web_set(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic)
{
	double delay = 0;

	(void)this_val;
	if (!JS_IsFunction(ctx, argv[0]))
		return JS_ThrowTypeError(ctx, "\"callback\" must be a function");
	if (argc > 1 && !JS_IsUndefined(argv[1]) && JS_ToFloat64(ctx, &delay, argv[1]) < 0)
		return JS_EXCEPTION;
	if (isnan(delay) || delay < 0 || delay > MAX_DELAY)
		delay = 0;
	return start(ctx, argv[0], delay, magic == 1, argc > 2 ? argc - 2 : 0, argv + 2);
}

static JSValue web_clear(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	struct host *host = host_of(ctx);
	struct script_timer *timer = JS_GetOpaque(argv[0], host->timer_class);

	(void)this_val, (void)argc;
	if (timer)
		cancel(host, timer);
	return JS_UNDEFINED;
}

static const JSCFunctionListEntry timer_methods[] = {
	JS_CFUNC_DEF("cancel", 0, timer_cancel),
};

static const JSCFunctionListEntry timer_functions[] = {
	JS_CFUNC_DEF("setTimer", 3, set_timer),
};

static const JSCFunctionListEntry timer_globals[] = {
	JS_CFUNC_MAGIC_DEF("setTimeout", 2, web_set, 0),
	JS_CFUNC_MAGIC_DEF("setInterval", 2, web_set, 1),
	JS_CFUNC_DEF("clearTimeout", 1, web_clear),
	JS_CFUNC_DEF("clearInterval", 1, web_clear),
};

int script_timer_globals(JSContext *ctx, JSValueConst global)
{
	struct host *host = host_of(ctx);
	JSValue prototype;

	JS_NewClassID(host->rt, &host->timer_class);
	if (JS_NewClass(host->rt, host->timer_class, &timer_class) < 0)
		return -1;
	prototype = JS_NewObject(ctx);
	if (JS_IsException(prototype))
		return -1;
	JS_SetClassProto(ctx, host->timer_class, prototype);
	if (JS_SetPropertyFunctionList(ctx, prototype, timer_methods, COUNT(timer_methods)) < 0)
		return -1;
	return JS_SetPropertyFunctionList(ctx, global, timer_globals, COUNT(timer_globals));
}

int script_timer_exports(JSContext *ctx, JSModuleDef *module)
{
	return JS_AddModuleExportList(ctx, module, timer_functions, COUNT(timer_functions));
}

int script_timer_init(JSContext *ctx, JSModuleDef *module)
{
	return JS_SetModuleExportList(ctx, module, timer_functions, COUNT(timer_functions));
}

void script_timers_free(struct host *host)
{
	while (!list_empty(&host->script_timers))
		cancel(host, list_entry(host->script_timers.next, struct script_timer, link));
}
