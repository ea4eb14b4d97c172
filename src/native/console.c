/*
 * console.log() and its like: texts as they are, errors with their stack, objects as JSON.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "output.h"
#include "value.h"

/* The text of an error: what String() makes of it, and its stack. */
static JSValue error_text(JSContext *ctx, JSValueConst error)
{
	JSValue stack = JS_GetPropertyStr(ctx, error, "stack");
	const char *message, *trace;
	JSValue text = JS_EXCEPTION;

	if (!JS_IsString(stack)) {
		JS_FreeValue(ctx, stack);
		return JS_ToString(ctx, error);
	}
	message = JS_ToCString(ctx, error);
	trace = JS_ToCString(ctx, stack);
	if (message && trace) {
		size_t length = strlen(message) + strlen(trace) + 2;
		char *joined = js_malloc(ctx, length);

		if (joined) {
			size_t end = strlen(message);

			memcpy(joined, message, end);
			joined[end++] = '\n';
			memcpy(joined + end, trace, strlen(trace));
			end += strlen(trace);
			while (end > 0 && joined[end - 1] == '\n')
				end--;
			text = JS_NewStringLen(ctx, joined, end);
			js_free(ctx, joined);
		}
	}
	if (message)
		JS_FreeCString(ctx, message);
	if (trace)
		JS_FreeCString(ctx, trace);
	JS_FreeValue(ctx, stack);
	return text;
}

/* String() takes a symbol, conversion to a string does not. */
static JSValue symbol_text(JSContext *ctx, JSValueConst symbol)
{
	JSAtom name = JS_NewAtom(ctx, "toString");
	JSValue text = name == 0 ? JS_EXCEPTION : JS_Invoke(ctx, symbol, name, 0, NULL);

	JS_FreeAtom(ctx, name);
	return text;
}

static JSValue printed(JSContext *ctx, JSValueConst value)
{
	JSValue json;

	if (JS_IsSymbol(value))
		return symbol_text(ctx, value);
	if (JS_IsError(value))
		return error_text(ctx, value);
	if (!JS_IsObject(value) || JS_IsFunction(ctx, value))
		return JS_ToString(ctx, value);
	json = JS_JSONStringify(ctx, value, JS_UNDEFINED, JS_UNDEFINED);
	if (JS_IsString(json))
		return json;
	/* It leads to itself, or holds a BigInt. */
	JS_FreeValue(ctx, json);
	JS_FreeValue(ctx, JS_GetException(ctx));
	return JS_ToString(ctx, value);
}

/* `magic` is the descriptor. */
static JSValue console_write(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic)
{
	(void)this_val;
	for (int i = 0; i < argc; i++) {
		JSValue text = printed(ctx, argv[i]);
		size_t length;
		const char *bytes;
		int result;

		if (JS_IsException(text))
			return JS_EXCEPTION;
		bytes = JS_ToCStringLen(ctx, &length, text);
		JS_FreeValue(ctx, text);
		if (!bytes)
			return JS_EXCEPTION;
		result = i > 0 ? output_write(magic, " ", 1) : 0;
		if (result == 0)
			result = output_write(magic, bytes, length);
		JS_FreeCString(ctx, bytes);
		if (result < 0)
			return throw_errno(ctx, errno, "write", NULL);
	}
	if (output_write(magic, "\n", 1) < 0)
		return throw_errno(ctx, errno, "write", NULL);
	return JS_UNDEFINED;
}

static const JSCFunctionListEntry console_functions[] = {
	JS_CFUNC_MAGIC_DEF("log", 0, console_write, STDOUT_FILENO),
	JS_CFUNC_MAGIC_DEF("info", 0, console_write, STDOUT_FILENO),
	JS_CFUNC_MAGIC_DEF("debug", 0, console_write, STDOUT_FILENO),
	JS_CFUNC_MAGIC_DEF("warn", 0, console_write, STDERR_FILENO),
	JS_CFUNC_MAGIC_DEF("error", 0, console_write, STDERR_FILENO),
};

static const JSCFunctionListEntry globals[] = {
	JS_OBJECT_DEF("console", console_functions, COUNT(console_functions), JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE),
};

int console_init(JSContext *ctx, JSValueConst global)
{
	return JS_SetPropertyFunctionList(ctx, global, globals, COUNT(globals));
}
