/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "memory.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "nft.h"
#include "value.h"

/* 2^53 */
#define MAX_SAFE_INTEGER 9007199254740992

/* musl's allocator does by itself what glibc's has to be told. */
void memory_setup(void)
{
#ifdef __GLIBC__
	/* Once set, the thresholds no longer grow with each large block that is freed. */
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	mallopt(M_TRIM_THRESHOLD, 128 << 10);
#endif
}

void memory_release(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

static JSValue memory_trim(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	(void)this_val, (void)argc, (void)argv;
	JS_RunGC(JS_GetRuntime(ctx));
	nft_release();
	memory_release();
	return JS_UNDEFINED;
}

static JSValue memory_used(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	JSMemoryUsage usage;

	(void)this_val, (void)argc, (void)argv;
	JS_ComputeMemoryUsage(JS_GetRuntime(ctx), &usage);
	return JS_NewInt64(ctx, usage.malloc_size);
}

static JSValue memory_set_limit(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	int64_t bytes;

	(void)this_val, (void)argc;
	if (!value_integer(ctx, argv[0], "bytes", 0, MAX_SAFE_INTEGER, &bytes))
		return JS_EXCEPTION;
	JS_SetMemoryLimit(JS_GetRuntime(ctx), (uint64_t)bytes > SIZE_MAX ? SIZE_MAX : (size_t)bytes);
	return JS_UNDEFINED;
}

static const JSCFunctionListEntry memory_functions[] = {
	JS_CFUNC_DEF("trim", 0, memory_trim),
	JS_CFUNC_DEF("used", 0, memory_used),
	JS_CFUNC_DEF("setLimit", 1, memory_set_limit),
};

static const JSCFunctionListEntry memory_objects[] = {
	JS_OBJECT_DEF("memory", memory_functions, COUNT(memory_functions), JS_PROP_C_W_E),
};

int memory_exports(JSContext *ctx, JSModuleDef *module)
{
	return JS_AddModuleExportList(ctx, module, memory_objects, COUNT(memory_objects));
}

int memory_init(JSContext *ctx, JSModuleDef *module)
{
	return JS_SetModuleExportList(ctx, module, memory_objects, COUNT(memory_objects));
}
