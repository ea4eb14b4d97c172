/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture.h"
#include "error.h"
#include "loop.h"
#include "signal_name.h"
#include "signals.h"
#include "timer.h"
#include "value.h"

struct process {
	struct list_head link;
	/* The Process object while the child runs, so that it is not collected; else undefined. */
	JSValue self;
	JSValue done;
	pid_t pid;
	bool group;
	bool ended;
	bool timed_out;
	int status;
	uint8_t *input;
	size_t input_length;
	size_t input_written;
	struct watch exit_watch; /* of a pidfd */
	struct watch input_watch;
	struct capture outputs[2];
	struct timer timeout;
};

static void watch_close(struct host *host, struct watch *watch)
{
	if (watch->fd < 0)
		return;
	(void)watch_set(host, watch, 0);
	close(watch->fd);
	watch->fd = -1;
}

/* Gives back all that a running child holds, but the outputs. */
static void detach(struct host *host, struct process *process)
{
	timer_stop(host, &process->timeout);
	watch_close(host, &process->exit_watch);
	watch_close(host, &process->input_watch);
	watch_close(host, &process->outputs[0].watch);
	watch_close(host, &process->outputs[1].watch);
	free(process->input);
	process->input = NULL;
	list_del(&process->link);
	host->alive--;
}

static void process_finalizer(JSRuntime *rt, JSValueConst value)
{
	struct host *host = JS_GetRuntimeOpaque(rt);
	struct process *process = JS_GetOpaque(value, host->process_class);

	if (!process)
		return;
	capture_free(rt, &process->outputs[0]);
	capture_free(rt, &process->outputs[1]);
	js_free_rt(rt, process);
}

static const JSClassDef process_class = { "Process", .finalizer = process_finalizer };

static JSValue new_result(JSContext *ctx, struct process *process)
{
	int status = process->status;
	const char *signal = WIFSIGNALED(status) ? signal_name(WTERMSIG(status)) : NULL;
	JSValue result = JS_NewObject(ctx);

	if (JS_IsException(result))
		return JS_EXCEPTION;
	if (WIFSIGNALED(status) && !signal)
		signal = "SIGRT";
	if (!value_define(ctx, result, "status", WIFEXITED(status) ? JS_NewInt32(ctx, WEXITSTATUS(status)) : JS_NULL) ||
	    !value_define(ctx, result, "signal", signal ? JS_NewString(ctx, signal) : JS_NULL) ||
	    !value_define(ctx, result, "timedOut", JS_NewBool(ctx, process->timed_out)) ||
	    !value_define(ctx, result, "stdout", capture_take(ctx, &process->outputs[0])) ||
	    !value_define(ctx, result, "stderr", capture_take(ctx, &process->outputs[1]))) {
		JS_FreeValue(ctx, result);
		return JS_EXCEPTION;
	}
	return result;
}

static bool outputs_closed(const struct process *process)
{
	return process->outputs[0].watch.fd < 0 && process->outputs[1].watch.fd < 0;
}

static void finish_when_over(struct host *host, struct process *process)
{
	JSContext *ctx = host->ctx;
	JSValue self, done, result;

	if (!process->ended || !(process->timed_out || outputs_closed(process)))
		return;
	/* After a timeout their end is not waited for: somebody who got away from the group may hold them. */
	for (int i = 0; i < 2; i++) {
		if (process->outputs[i].watch.fd >= 0)
			(void)capture_read(host->rt, &process->outputs[i]);
	}
	detach(host, process);
	self = process->self;
	done = process->done;
	process->self = JS_UNDEFINED;
	process->done = JS_UNDEFINED;
	result = new_result(ctx, process);
	if (JS_IsException(result)) {
		/* No memory for the result: the callback is told by an empty one rather than never. */
		JS_FreeValue(ctx, JS_GetException(ctx));
		result = JS_UNDEFINED;
	}
	host_call(host, done, 1, (JSValueConst[]){ result });
	JS_FreeValue(ctx, result);
	JS_FreeValue(ctx, done);
	JS_FreeValue(ctx, self);
}

static void child_exited(struct host *host, struct watch *watch, uint32_t events)
{
	struct process *process = container_of(watch, struct process, exit_watch);
	pid_t pid;

	(void)events;
	do
		pid = waitpid(process->pid, &process->status, WNOHANG);
	while (pid < 0 && errno == EINTR);
	if (pid == 0)
		return;
	process->ended = true;
	timer_stop(host, &process->timeout);
	watch_close(host, watch);
	finish_when_over(host, process);
}

static void child_takes_input(struct host *host, struct watch *watch, uint32_t events)
{
	struct process *process = container_of(watch, struct process, input_watch);
	ssize_t written = 0;

	(void)events;
	if (process->input_written < process->input_length)
		written = write(watch->fd, process->input + process->input_written,
				process->input_length - process->input_written);
	if (written < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (written > 0)
		process->input_written += (size_t)written;
	/* A child that does not want its input to the end is no error. */
	if (written < 0 || process->input_written == process->input_length) {
		watch_close(host, watch);
		free(process->input);
		process->input = NULL;
	}
}

static void child_gives_output(struct host *host, struct watch *watch, uint32_t events)
{
	struct capture *output = container_of(watch, struct capture, watch);

	(void)events;
	if (capture_read(host->rt, output))
		return;
	watch_close(host, watch);
	finish_when_over(host, output->owner);
}

static void child_took_too_long(struct host *host, struct timer *timer)
{
	struct process *process = container_of(timer, struct process, timeout);

	(void)host;
	process->timed_out = true;
	/* ESRCH: it has just ended by itself. */
	(void)kill(process->group ? -process->pid : process->pid, SIGKILL);
}

/* Puts the descriptors of a child just started into the loop. Returns 0, or -1 with errno. */
static int watch_child(struct host *host, struct process *process, const int pipes[3])
{
	process->input_watch = (struct watch){ .fd = pipes[0], .ready = child_takes_input };
	for (int i = 0; i < 2; i++) {
		process->outputs[i].owner = process;
		process->outputs[i].watch = (struct watch){ .fd = pipes[i + 1], .ready = child_gives_output };
	}
	process->exit_watch.ready = child_exited;
	process->exit_watch.fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
	if (process->exit_watch.fd < 0 || watch_set(host, &process->exit_watch, EPOLLIN) < 0)
		return -1;
	if (process->input_watch.fd >= 0 && watch_set(host, &process->input_watch, EPOLLOUT) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		struct watch *watch = &process->outputs[i].watch;

		if (watch->fd >= 0 && watch_set(host, watch, EPOLLIN) < 0)
			return -1;
	}
	return 0;
}

static void set_running(struct host *host, struct process *process, JSValueConst object, JSValueConst done)
{
	process->self = JS_DupValue(host->ctx, object);
	process->done = JS_DupValue(host->ctx, done);
	list_add_tail(&process->link, &host->processes);
	host->alive++;
}

static void forget(struct host *host, struct process *process)
{
	JSValue self = process->self;

	detach(host, process);
	JS_FreeValue(host->ctx, process->done);
	process->done = JS_UNDEFINED;
	process->self = JS_UNDEFINED;
	JS_FreeValue(host->ctx, self);
}

static JSValue start(JSContext *ctx, struct spawn_request *request, JSValueConst done)
{
	struct host *host = host_of(ctx);
	struct process *process = js_mallocz(ctx, sizeof(*process));
	JSValue object;
	int pipes[3];
	int error;

	if (!process)
		return JS_EXCEPTION;
	object = JS_NewObjectClass(ctx, host->process_class);
	if (JS_IsException(object)) {
		js_free(ctx, process);
		return JS_EXCEPTION;
	}
	JS_SetOpaque(object, process);
	process->group = !request->inherit;
	process->outputs[0].limit = request->output_limit;
	process->outputs[1].limit = request->output_limit;
	process->timeout.fire = child_took_too_long;
	error = spawn_child(request, &process->pid, pipes);
	if (error) {
		JS_FreeValue(ctx, object);
		return throw_errno(ctx, error, "spawn", request->arguments[0]);
	}
	process->input = request->input;
	process->input_length = request->input_length;
	request->input = NULL;
	set_running(host, process, object, done);
	if (watch_child(host, process, pipes) < 0) {
		error = errno;
	} else if (request->timeout > 0) {
		int64_t due = monotonic_now() + (int64_t)(request->timeout * NANOSECONDS_PER_MILLISECOND);

		error = timer_start(host, &process->timeout, due) < 0 ? ENOMEM : 0;
	}
	if (error) {
		/* Nobody would learn of its end: it must not run at all. */
		(void)kill(process->pid, SIGKILL);
		while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
			;
		process->ended = true;
		forget(host, process);
		JS_FreeValue(ctx, object);
		return throw_errno(ctx, error, "spawn", request->arguments[0]);
	}
	return object;
}

static JSValue spawn(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	struct spawn_request request;
	JSValue result = JS_EXCEPTION;

	(void)this_val, (void)argc;
	if (!JS_IsFunction(ctx, argv[2]))
		return JS_ThrowTypeError(ctx, "\"done\" must be a function");
	if (spawn_request_read(ctx, argv[0], argv[1], &request))
		result = start(ctx, &request, argv[2]);
	spawn_request_free(&request);
	return result;
}

static JSValue process_kill(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	struct process *process = JS_GetOpaque2(ctx, this_val, host_of(ctx)->process_class);
	int number;

	(void)argc;
	if (!process)
		return JS_EXCEPTION;
	number = signal_argument(ctx, argv[0], false);
	if (number < 0)
		return JS_EXCEPTION;
	/* Once it has been waited for, its number may belong to somebody else. */
	if (process->ended)
		return throw_errno(ctx, ESRCH, "kill", NULL);
	if (kill(process->pid, number) < 0)
		return throw_errno(ctx, errno, "kill", NULL);
	return JS_UNDEFINED;
}

static JSValue process_pid(JSContext *ctx, JSValueConst this_val)
{
	struct process *process = JS_GetOpaque2(ctx, this_val, host_of(ctx)->process_class);

	return process ? JS_NewInt32(ctx, process->pid) : JS_EXCEPTION;
}

static const JSCFunctionListEntry process_methods[] = {
	JS_CFUNC_DEF("kill", 1, process_kill),
	JS_CGETSET_DEF("pid", process_pid, NULL),
};

static const JSCFunctionListEntry process_functions[] = {
	JS_CFUNC_DEF("spawn", 3, spawn),
};

int process_exports(JSContext *ctx, JSModuleDef *module)
{
	return JS_AddModuleExportList(ctx, module, process_functions, COUNT(process_functions));
}

int process_init(JSContext *ctx, JSModuleDef *module)
{
	struct host *host = host_of(ctx);
	JSValue prototype;

	JS_NewClassID(host->rt, &host->process_class);
	if (JS_NewClass(host->rt, host->process_class, &process_class) < 0)
		return -1;
	prototype = JS_NewObject(ctx);
	if (JS_IsException(prototype))
		return -1;
	JS_SetClassProto(ctx, host->process_class, prototype);
	if (JS_SetPropertyFunctionList(ctx, prototype, process_methods, COUNT(process_methods)) < 0)
		return -1;
	return JS_SetModuleExportList(ctx, module, process_functions, COUNT(process_functions));
}

void processes_free(struct host *host)
{
	while (!list_empty(&host->processes))
		forget(host, list_entry(host->processes.next, struct process, link));
}
