/*
 * The engine keeps the source text of each function, within that of the function around it, for toString(): more than a
 * bundle's size in memory. So a script is compiled in an engine of its own, its bytecode written out without the text,
 * but with line numbers, and read back in the engine that runs it. What the compiler used is free by then.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "script.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "memory.h"
#include "value.h"

/* A text of malloc(), with the NUL that the parser wants; NULL with errno. */
static char *read_source(const char *path, size_t *length)
{
	struct stat status;
	char *text = NULL;
	size_t size, done = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return NULL;
	if (fstat(fd, &status) < 0)
		goto fail;
	if (!S_ISREG(status.st_mode)) {
		errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
		goto fail;
	}
	size = (size_t)status.st_size;
	text = malloc(size + 1);
	if (!text)
		goto fail;
	while (done < size) {
		ssize_t count = read(fd, text + done, size - done);

		if (count < 0 && errno != EINTR)
			goto fail;
		if (count == 0)
			break;
		if (count > 0)
			done += (size_t)count;
	}
	text[done] = '\0';
	*length = done;
	close(fd);
	return text;
fail:;
	int error = errno;

	close(fd);
	free(text);
	errno = error;
	return NULL;
}

static int link_nothing(JSContext *ctx, JSModuleDef *module)
{
	(void)ctx, (void)module;
	return 0;
}

/* The compiler wants to see the modules that are imported, but does not look into them. */
static JSModuleDef *pretend_to_load(JSContext *ctx, const char *name, void *opaque)
{
	(void)opaque;
	return JS_NewCModule(ctx, name, link_nothing);
}

/* Just enough of an engine to compile. */
static JSContext *new_compiler(JSRuntime *rt)
{
	JSContext *ctx = JS_NewContextRaw(rt);

	JS_SetModuleLoaderFunc(rt, NULL, pretend_to_load, NULL);
	if (ctx && (JS_AddIntrinsicBaseObjects(ctx) < 0 || JS_AddIntrinsicEval(ctx) < 0 ||
		    JS_AddIntrinsicRegExp(ctx) < 0)) {
		JS_FreeContext(ctx);
		return NULL;
	}
	return ctx;
}

/* The message and place of the compiler's error, to be thrown again elsewhere; of malloc(). */
static char *take_error(JSContext *ctx)
{
	JSValue error = JS_GetException(ctx);
	JSValue stack = JS_GetPropertyStr(ctx, error, "stack");
	JSValue message = JS_GetPropertyStr(ctx, error, "message");
	const char *message_text = JS_ToCString(ctx, message);
	const char *stack_text = JS_ToCString(ctx, stack);
	char *joined = NULL;

	if (message_text && stack_text) {
		size_t size = strlen(message_text) + strlen(stack_text) + 2;

		joined = malloc(size);
		if (joined)
			snprintf(joined, size, "%s\n%s", message_text, stack_text);
	}
	if (message_text)
		JS_FreeCString(ctx, message_text);
	if (stack_text)
		JS_FreeCString(ctx, stack_text);
	JS_FreeValue(ctx, message);
	JS_FreeValue(ctx, stack);
	JS_FreeValue(ctx, error);
	return joined;
}

/* Bytecode of malloc(); NULL with the reason in `error`, which is NULL where memory ran out. */
static uint8_t *compile(const char *source, size_t source_length, const char *name, size_t *length, char **error)
{
	JSRuntime *rt = JS_NewRuntime();
	JSContext *ctx = rt ? new_compiler(rt) : NULL;
	uint8_t *written = NULL, *bytecode = NULL;
	JSValue module;

	*error = NULL;
	if (!ctx)
		goto out;
	module = JS_Eval(ctx, source, source_length, name, JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
	if (!JS_IsException(module))
		written = JS_WriteObject(ctx, length, module, JS_WRITE_OBJ_BYTECODE | JS_WRITE_OBJ_STRIP_SOURCE);
	if (written) {
		bytecode = malloc(*length);
		if (bytecode)
			memcpy(bytecode, written, *length);
	} else {
		*error = take_error(ctx);
	}
	js_free(ctx, written);
	JS_FreeValue(ctx, module);
	JS_FreeContext(ctx);
out:
	if (rt)
		JS_FreeRuntime(rt);
	return bytecode;
}

/* The module of a file, compiled but not linked; JS_EXCEPTION where there is none. */
static JSValue read_module(JSContext *ctx, const char *path)
{
	size_t source_length, length = 0;
	char *source = read_source(path, &source_length);
	uint8_t *bytecode;
	JSValue module;
	char *error;

	if (!source)
		return throw_errno(ctx, errno, "open", path);
	bytecode = compile(source, source_length, path, &length, &error);
	free(source);
	if (!bytecode) {
		module = error ? JS_ThrowSyntaxError(ctx, "%s", error) : JS_ThrowOutOfMemory(ctx);
		free(error);
		return module;
	}
	memory_release();
	module = JS_ReadObject(ctx, bytecode, length, JS_READ_OBJ_BYTECODE);
	free(bytecode);
	return module;
}

static int set_import_meta(JSContext *ctx, JSModuleDef *module, const char *path, bool is_main)
{
	JSValue meta = JS_GetImportMeta(ctx, module);
	size_t size = strlen(path) + sizeof("file://");
	char *url = js_malloc(ctx, size);
	bool defined = false;

	if (url && !JS_IsException(meta)) {
		snprintf(url, size, "file://%s", path);
		defined = value_define(ctx, meta, "url", JS_NewString(ctx, url)) &&
			  value_define(ctx, meta, "main", JS_NewBool(ctx, is_main));
	}
	js_free(ctx, url);
	JS_FreeValue(ctx, meta);
	return defined ? 0 : -1;
}

JSModuleDef *script_load(JSContext *ctx, const char *name, void *opaque)
{
	JSModuleDef *definition;
	JSValue module;

	(void)opaque;
	if (name[0] != '/') {
		JS_ThrowReferenceError(ctx, "there is no module \"%s\"", name);
		return NULL;
	}
	module = read_module(ctx, name);
	if (JS_IsException(module))
		return NULL;
	definition = JS_VALUE_GET_PTR(module);
	/* The engine's list of modules holds it. */
	JS_FreeValue(ctx, module);
	return set_import_meta(ctx, definition, name, false) < 0 ? NULL : definition;
}

JSValue script_run(struct host *host)
{
	JSValue module = read_module(host->ctx, host->script_path);

	if (JS_IsException(module))
		return JS_EXCEPTION;
	if (JS_ResolveModule(host->ctx, module) < 0 ||
	    set_import_meta(host->ctx, JS_VALUE_GET_PTR(module), host->script_path, true) < 0) {
		JS_FreeValue(host->ctx, module);
		return JS_EXCEPTION;
	}
	return JS_EvalFunction(host->ctx, module);
}
