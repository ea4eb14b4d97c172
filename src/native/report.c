/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report.h"

#include <string.h>
#include <unistd.h>

#include "output.h"

/* A cause may lead to itself. */
#define MAX_CAUSES 8

static void print(const char *text)
{
	/* There is nobody left to tell where standard error is closed. */
	(void)output_write(STDERR_FILENO, text, strlen(text));
}

static void discard_exception(JSContext *ctx)
{
	JS_FreeValue(ctx, JS_GetException(ctx));
}

/* Prints a value as String() does. If it throws when asked for its text, that must not hide that there was an error. */
static void print_value(JSContext *ctx, JSValueConst value)
{
	const char *text;

	if (JS_IsNull(value)) {
		/* What the engine throws where there is no memory for an error. */
		print("null (out of memory?)");
		return;
	}
	text = JS_ToCString(ctx, value);
	if (!text) {
		discard_exception(ctx);
		print("[a value that cannot be converted to text]");
		return;
	}
	print(text);
	JS_FreeCString(ctx, text);
}

static JSValue property(JSContext *ctx, JSValueConst object, const char *name)
{
	JSValue value = JS_GetPropertyStr(ctx, object, name);

	if (JS_IsException(value)) {
		discard_exception(ctx);
		return JS_UNDEFINED;
	}
	return value;
}

static void print_stack(JSContext *ctx, JSValueConst error)
{
	JSValue stack = property(ctx, error, "stack");
	const char *text = JS_IsString(stack) ? JS_ToCString(ctx, stack) : NULL;

	if (text && *text) {
		print(text);
		if (text[strlen(text) - 1] != '\n')
			print("\n");
	}
	if (text)
		JS_FreeCString(ctx, text);
	JS_FreeValue(ctx, stack);
}

void report_value(JSContext *ctx, JSValueConst error, const char *title)
{
	JSValue current = JS_DupValue(ctx, error);

	for (int depth = 0; depth < MAX_CAUSES; depth++) {
		JSValue cause;

		print(depth == 0 ? title : "Caused by");
		print(": ");
		print_value(ctx, current);
		print("\n");
		if (!JS_IsError(current))
			break;
		print_stack(ctx, current);
		cause = property(ctx, current, "cause");
		JS_FreeValue(ctx, current);
		current = cause;
		if (JS_IsUndefined(current))
			break;
	}
	JS_FreeValue(ctx, current);
}

void report_exception(JSContext *ctx, const char *title)
{
	JSValue error = JS_GetException(ctx);

	report_value(ctx, error, title);
	JS_FreeValue(ctx, error);
}
