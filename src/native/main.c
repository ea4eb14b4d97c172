/* oneip-runtime: runs a script on an event loop of its own. SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "authentication.h"
#include "file.h"
#include "host.h"
#include "loop.h"
#include "memory.h"
#include "nft.h"
#include "output.h"
#include "process.h"
#include "rejection.h"
#include "report.h"
#include "script.h"
#include "script_timer.h"
#include "signals.h"
#include "socket.h"
#include "system.h"
#include "tally.h"
#include "text.h"
#include "value.h"

#define STACK_LIMIT (1 << 20)

struct options {
	size_t memory_limit;
	int script; /* its place among the arguments */
};

static const struct {
	int (*exports)(JSContext *ctx, JSModuleDef *module);
	int (*init)(JSContext *ctx, JSModuleDef *module);
} parts[] = {
	{ system_exports, system_init },   { script_timer_exports, script_timer_init },
	{ signals_exports, signals_init }, { process_exports, process_init },
	{ socket_exports, socket_init },   { file_exports, file_init },
	{ text_exports, text_init },       { file_write_exports, file_write_init },
	{ output_exports, output_init },   { nft_exports, nft_init },
	{ memory_exports, memory_init },   { authentication_exports, authentication_init },
	{ tally_exports, tally_init },
};

static int module_init(JSContext *ctx, JSModuleDef *module)
{
	for (int i = 0; i < COUNT(parts); i++) {
		if (parts[i].init(ctx, module) < 0)
			return -1;
	}
	return 0;
}

static int module_add(JSContext *ctx)
{
	JSModuleDef *module = JS_NewCModule(ctx, "oneip:runtime", module_init);

	for (int i = 0; module && i < COUNT(parts); i++) {
		if (parts[i].exports(ctx, module) < 0)
			return -1;
	}
	return module ? 0 : -1;
}

static int globals_add(JSContext *ctx)
{
	JSValue global = JS_GetGlobalObject(ctx);
	int result = script_timer_globals(ctx, global);

	if (result == 0)
		result = console_init(ctx, global);
	JS_FreeValue(ctx, global);
	return result;
}

static bool engine_open(struct host *host, const struct options *options)
{
	host->rt = JS_NewRuntime();
	if (!host->rt)
		return false;
	JS_SetRuntimeOpaque(host->rt, host);
	JS_SetMemoryLimit(host->rt, options->memory_limit);
	JS_SetMaxStackSize(host->rt, STACK_LIMIT);
	JS_SetModuleLoaderFunc(host->rt, NULL, script_load, NULL);
	JS_SetHostPromiseRejectionTracker(host->rt, rejection_tracker, host);
	host->ctx = JS_NewContext(host->rt);
	if (!host->ctx)
		return false;
	JS_SetContextOpaque(host->ctx, host);
	return globals_add(host->ctx) == 0 && module_add(host->ctx) == 0;
}

/* What the loop holds goes first: it is the root of all that is reachable. */
static void engine_close(struct host *host)
{
	if (host->ctx) {
		JS_SetHostPromiseRejectionTracker(host->rt, NULL, NULL);
		script_timers_free(host);
		signals_free(host);
		sockets_free(host);
		processes_free(host);
		rejections_free(host);
		JS_FreeContext(host->ctx);
	}
	if (host->rt)
		JS_FreeRuntime(host->rt);
	free(host->timers);
	loop_close(host);
}

static int run(struct host *host, const struct options *options)
{
	JSValue evaluated;
	int status = EXIT_FAILURE;

	init_list_head(&host->script_timers);
	init_list_head(&host->sockets);
	init_list_head(&host->processes);
	init_list_head(&host->rejections);
	if (loop_open(host) < 0) {
		fprintf(stderr, "oneip-runtime: epoll_create1: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	if (!engine_open(host, options)) {
		fprintf(stderr, "oneip-runtime: the engine cannot start: too little memory\n");
		engine_close(host);
		return EXIT_FAILURE;
	}
	evaluated = script_run(host);
	if (!JS_IsException(evaluated)) {
		/* The loop looks after this promise: its rejection is no unhandled one. */
		JS_PromiseMarkAsHandled(host->ctx, evaluated);
		if (loop_run(host, evaluated))
			status = EXIT_SUCCESS;
	}
	if (status != EXIT_SUCCESS)
		report_exception(host->ctx, "Uncaught");
	JS_FreeValue(host->ctx, evaluated);
	engine_close(host);
	return status;
}

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

/* No pipe or socket of ours may become descriptor 0, 1 or 2, and children get none that we happened to be given. */
static bool open_standard_streams(void)
{
	int fd;

#ifdef SYS_close_range
	/* Before Linux 5.11 there is no such flag: then they keep them. */
	(void)syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
#endif
	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* BYTES, or with k or M behind; 0 where it is no size. */
static size_t parse_size(const char *text)
{
	char *end;
	unsigned long long number;
	unsigned int shift = 0;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *text == '-')
		return 0;
	if (*end == 'k')
		shift = 10;
	else if (*end == 'M')
		shift = 20;
	if (shift != 0)
		end++;
	if (*end != '\0' || number > SIZE_MAX >> shift)
		return 0;
	return (size_t)number << shift;
}

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: oneip-runtime [--memory-limit BYTES[k|M]] [--version] SCRIPT [ARGUMENT...]\n");
	exit(2);
}

static struct options parse_options(int argc, char **argv)
{
	struct options options = { .script = 1 };

	for (; options.script < argc && argv[options.script][0] == '-'; options.script++) {
		const char *option = argv[options.script];

		if (!strcmp(option, "--version")) {
			printf("oneip-runtime %s (QuickJS-ng %s)\n", ONEIP_VERSION, JS_GetVersion());
			exit(EXIT_SUCCESS);
		}
		if (strcmp(option, "--memory-limit") != 0 || options.script + 1 >= argc)
			usage();
		options.memory_limit = parse_size(argv[++options.script]);
		if (options.memory_limit == 0)
			usage();
	}
	if (options.script >= argc)
		usage();
	return options;
}

int main(int argc, char **argv)
{
	struct options options = parse_options(argc, argv);
	static struct host host = { .epoll_fd = -1 };
	int status;

	memory_setup();
	signals_reset();
	if (!open_standard_streams()) {
		fprintf(stderr, "oneip-runtime: /dev/null: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	host.script_path = realpath(argv[options.script], NULL);
	if (!host.script_path) {
		fprintf(stderr, "oneip-runtime: %s: %s\n", argv[options.script], strerror(errno));
		return EXIT_FAILURE;
	}
	host.arguments = argv + options.script + 1;
	host.argument_count = argc - options.script - 1;
	status = run(&host, &options);
	free(host.script_path);
	return status;
}
