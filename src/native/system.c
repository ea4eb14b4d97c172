/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "system.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "text.h"
#include "timer.h"
#include "value.h"

#define MAX_RANDOM_BYTES (1 << 20)
/* MEMBARRIER_CMD_GLOBAL of linux/membarrier.h, which older headers call otherwise. */
#define MEMBARRIER_COMMAND_GLOBAL 1

static JSValue exit_process(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	int64_t status;

	(void)this_val, (void)argc;
	if (!value_integer(ctx, argv[0], "status", 0, 255, &status))
		return JS_EXCEPTION;
	exit((int)status);
}

static JSValue get_environment_variable(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	const char *name = value_path(ctx, argv[0], "name");
	const char *value;

	(void)this_val, (void)argc;
	if (!name)
		return JS_EXCEPTION;
	value = getenv(name);
	JS_FreeCString(ctx, name);
	return value ? JS_NewString(ctx, value) : JS_UNDEFINED;
}

static JSValue monotonic(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	(void)this_val, (void)argc, (void)argv;
	return JS_NewFloat64(ctx, (double)monotonic_now() / NANOSECONDS_PER_MILLISECOND);
}

static JSValue processor_time(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	struct timespec used;

	(void)this_val, (void)argc, (void)argv;
	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) != 0)
		return throw_errno(ctx, errno, "clock_gettime", NULL);
	return JS_NewFloat64(ctx, (double)used.tv_sec * 1000 + (double)used.tv_nsec / NANOSECONDS_PER_MILLISECOND);
}

static JSValue realtime(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	struct timespec now;

	(void)this_val, (void)argc, (void)argv;
	clock_gettime(CLOCK_REALTIME, &now);
	return JS_NewFloat64(ctx, (double)now.tv_sec * 1000 + (double)now.tv_nsec / NANOSECONDS_PER_MILLISECOND);
}

static JSValue random_bytes(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	int64_t count;
	size_t done = 0;
	uint8_t *bytes;

	(void)this_val, (void)argc;
	if (!value_integer(ctx, argv[0], "count", 0, MAX_RANDOM_BYTES, &count))
		return JS_EXCEPTION;
	bytes = js_malloc(ctx, count > 0 ? (size_t)count : 1);
	if (!bytes)
		return JS_EXCEPTION;
	while (done < (size_t)count) {
		ssize_t got = getrandom(bytes + done, (size_t)count - done, 0);

		if (got < 0 && errno != EINTR) {
			int error = errno;

			js_free(ctx, bytes);
			return throw_errno(ctx, error, "getrandom", NULL);
		}
		if (got > 0)
			done += (size_t)got;
	}
	return value_new_bytes(ctx, bytes, (size_t)count);
}

static JSValue interface_index(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	const char *device = value_path(ctx, argv[0], "device");
	unsigned int index;

	(void)this_val, (void)argc;
	if (!device)
		return JS_EXCEPTION;
	index = if_nametoindex(device);
	JS_FreeCString(ctx, device);
	return JS_NewUint32(ctx, index);
}

/*
 * Packets are processed under rcu_read_lock, and this command is synchronize_rcu() (kernel/sched/membarrier.c). With one
 * processor it returns at once: there no packet is half processed while we run.
 */
static JSValue await_grace_period(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	(void)this_val, (void)argc, (void)argv;
#ifdef SYS_membarrier
	return JS_NewBool(ctx, syscall(SYS_membarrier, MEMBARRIER_COMMAND_GLOBAL, 0, 0) == 0);
#else
	return JS_FALSE;
#endif
}

static const JSCFunctionListEntry system_functions[] = {
	JS_CFUNC_DEF("exit", 1, exit_process),
	JS_CFUNC_DEF("getenv", 1, get_environment_variable),
	JS_CFUNC_DEF("monotonic", 0, monotonic),
	JS_CFUNC_DEF("processorTime", 0, processor_time),
	JS_CFUNC_DEF("realtime", 0, realtime),
	JS_CFUNC_DEF("randomBytes", 1, random_bytes),
	JS_CFUNC_DEF("interfaceIndex", 1, interface_index),
	JS_CFUNC_DEF("awaitGracePeriod", 0, await_grace_period),
};

static const char *const system_values[] = { "version", "engineVersion", "littleEndian", "scriptPath", "pid", "args" };

int system_exports(JSContext *ctx, JSModuleDef *module)
{
	for (int i = 0; i < COUNT(system_values); i++) {
		if (JS_AddModuleExport(ctx, module, system_values[i]) < 0)
			return -1;
	}
	return JS_AddModuleExportList(ctx, module, system_functions, COUNT(system_functions));
}

static JSValue new_arguments(JSContext *ctx, struct host *host)
{
	JSValue array = JS_NewArray(ctx);

	for (int i = 0; !JS_IsException(array) && i < host->argument_count; i++) {
		JSValue argument = JS_NewString(ctx, host->arguments[i]);

		if (JS_IsException(argument) ||
		    JS_DefinePropertyValueUint32(ctx, array, (uint32_t)i, argument, JS_PROP_C_W_E) < 0) {
			JS_FreeValue(ctx, array);
			array = JS_EXCEPTION;
		}
	}
	if (!JS_IsException(array) && JS_FreezeObject(ctx, array) < 0) {
		JS_FreeValue(ctx, array);
		array = JS_EXCEPTION;
	}
	return array;
}

static int set_export(JSContext *ctx, JSModuleDef *module, const char *name, JSValue value)
{
	return JS_IsException(value) ? -1 : JS_SetModuleExport(ctx, module, name, value);
}

int system_init(JSContext *ctx, JSModuleDef *module)
{
	struct host *host = host_of(ctx);

	if (set_export(ctx, module, "version", JS_NewString(ctx, ONEIP_VERSION)) < 0 ||
	    set_export(ctx, module, "littleEndian", JS_NewBool(ctx, __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)) < 0 ||
	    set_export(ctx, module, "engineVersion", JS_NewString(ctx, JS_GetVersion())) < 0 ||
	    set_export(ctx, module, "scriptPath", JS_NewString(ctx, host->script_path)) < 0 ||
	    set_export(ctx, module, "pid", JS_NewInt32(ctx, getpid())) < 0 ||
	    set_export(ctx, module, "args", new_arguments(ctx, host)) < 0)
		return -1;
	return JS_SetModuleExportList(ctx, module, system_functions, COUNT(system_functions));
}
