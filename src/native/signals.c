/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "error.h"
#include "loop.h"
#include "signal_name.h"
#include "value.h"

/* Signals that may be handled, and their handlers: those in `handled` have one. */
static const int numbers[] = { SIGTERM, SIGHUP, SIGINT, SIGUSR1, SIGUSR2, SIGWINCH };
static JSValue callbacks[COUNT(numbers)];
static sigset_t handled;
/* Wait until the script has had its first turn: SIGHUP would end a daemon that is about to handle it. */
static sigset_t waiting;

/* Handlers do not keep the process alive, so they are no part of `host->alive`. */
static struct watch watch = { .fd = -1 };

/* Where the handler of a signal stands; NULL where it cannot be handled. */
static JSValue *callback_of(int number)
{
	for (int i = 0; i < COUNT(numbers); i++) {
		if (numbers[i] == number)
			return &callbacks[i];
	}
	return NULL;
}

void signals_reset(void)
{
	sigemptyset(&handled);
	sigemptyset(&waiting);
	sigaddset(&waiting, SIGHUP);
	sigprocmask(SIG_SETMASK, &waiting, NULL);
	/* An ignored SIGCHLD would let the kernel reap our children before we have asked for their status. */
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
}

/* Signals that are handled are read, those that wait come later; the others do what they do by default. */
static int set_mask(void)
{
	sigset_t mask;

	sigorset(&mask, &handled, &waiting);
	return sigprocmask(SIG_SETMASK, &mask, NULL);
}

void signals_begin(void)
{
	sigemptyset(&waiting);
	set_mask();
}

static void signal_ready(struct host *host, struct watch *ready, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	if (read(ready->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (sigismember(&handled, (int)info.ssi_signo) == 1)
		host_call(host, *callback_of((int)info.ssi_signo), 0, NULL);
}

/* Tells the kernel which signals we take. Returns 0, or -1 with errno. */
static int update(struct host *host)
{
	int fd = signalfd(watch.fd, &handled, SFD_NONBLOCK | SFD_CLOEXEC);

	if (fd < 0)
		return -1;
	watch.fd = fd;
	watch.ready = signal_ready;
	if (watch_set(host, &watch, EPOLLIN) < 0)
		return -1;
	return set_mask();
}

int signal_argument(JSContext *ctx, JSValueConst value, bool zero_allowed)
{
	const char *name;
	int number;

	if (zero_allowed && JS_IsNumber(value)) {
		int64_t zero;

		return value_integer(ctx, value, "signal", 0, 0, &zero) ? 0 : -1;
	}
	name = value_text(ctx, value, "signal", NULL);
	if (!name)
		return -1;
	number = signal_number(name);
	if (number == 0)
		JS_ThrowTypeError(ctx, "there is no signal \"%s\"", name);
	JS_FreeCString(ctx, name);
	return number == 0 ? -1 : number;
}

static JSValue on_signal(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	int number = signal_argument(ctx, argv[0], false);
	JSValue *callback, former;
	bool present;

	(void)this_val, (void)argc;
	if (number < 0 || !value_callback(ctx, argv[1], "callback", &present))
		return JS_EXCEPTION;
	callback = callback_of(number);
	if (!callback)
		return JS_ThrowTypeError(ctx, "%s cannot be handled", signal_name(number));
	if (present)
		sigaddset(&handled, number);
	else
		sigdelset(&handled, number);
	if (update(host_of(ctx)) < 0)
		return throw_errno(ctx, errno, "signalfd", NULL);
	former = *callback;
	*callback = present ? JS_DupValue(ctx, argv[1]) : JS_UNDEFINED;
	JS_FreeValue(ctx, former);
	return JS_UNDEFINED;
}

static JSValue kill_process(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	int64_t pid;
	int number;

	(void)this_val, (void)argc;
	if (!value_integer(ctx, argv[0], "pid", INT32_MIN, INT32_MAX, &pid))
		return JS_EXCEPTION;
	number = signal_argument(ctx, argv[1], true);
	if (number < 0)
		return JS_EXCEPTION;
	if (kill((pid_t)pid, number) < 0)
		return throw_errno(ctx, errno, "kill", NULL);
	return JS_UNDEFINED;
}

static const JSCFunctionListEntry signal_functions[] = {
	JS_CFUNC_DEF("onSignal", 2, on_signal),
	JS_CFUNC_DEF("kill", 2, kill_process),
};

int signals_exports(JSContext *ctx, JSModuleDef *module)
{
	return JS_AddModuleExportList(ctx, module, signal_functions, COUNT(signal_functions));
}

int signals_init(JSContext *ctx, JSModuleDef *module)
{
	return JS_SetModuleExportList(ctx, module, signal_functions, COUNT(signal_functions));
}

void signals_free(struct host *host)
{
	sigemptyset(&handled);
	for (int i = 0; i < COUNT(callbacks); i++) {
		JS_FreeValue(host->ctx, callbacks[i]);
		callbacks[i] = JS_UNDEFINED;
	}
	if (watch.fd >= 0)
		close(watch.fd);
	watch.fd = -1;
}
