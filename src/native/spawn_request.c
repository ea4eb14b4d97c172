/* The arguments of spawn(). SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "process.h"
#include "value.h"

#define DEFAULT_OUTPUT_LIMIT (1 << 20)
#define MAX_TIMEOUT 2147483647.0

static char *copy_text(JSContext *ctx, JSValueConst value, const char *name)
{
	const char *text = value_path(ctx, value, name);
	char *copy;

	if (!text)
		return NULL;
	copy = strdup(text);
	JS_FreeCString(ctx, text);
	if (!copy)
		JS_ThrowOutOfMemory(ctx);
	return copy;
}

static bool read_arguments(JSContext *ctx, JSValueConst array, struct spawn_request *request)
{
	int64_t count;

	if (!JS_IsArray(array)) {
		JS_ThrowTypeError(ctx, "\"argv\" must be an array of strings");
		return false;
	}
	if (JS_GetLength(ctx, array, &count) < 0)
		return false;
	if (count < 1 || count > UINT16_MAX) {
		JS_ThrowRangeError(ctx, "\"argv\" must have between 1 and %d elements", UINT16_MAX);
		return false;
	}
	request->arguments = calloc((size_t)count + 1, sizeof(char *));
	if (!request->arguments) {
		JS_ThrowOutOfMemory(ctx);
		return false;
	}
	for (int64_t i = 0; i < count; i++) {
		JSValue element = JS_GetPropertyInt64(ctx, array, i);

		if (JS_IsException(element))
			return false;
		request->arguments[i] = copy_text(ctx, element, "argv");
		JS_FreeValue(ctx, element);
		if (!request->arguments[i])
			return false;
	}
	return true;
}

/* "NAME=VALUE" of a property of `env`. */
static char *variable(JSContext *ctx, JSValueConst env, JSAtom name_atom)
{
	JSValue value = JS_GetProperty(ctx, env, name_atom);
	const char *name, *text;
	char *joined = NULL;

	if (JS_IsException(value))
		return NULL;
	text = value_path(ctx, value, "env");
	JS_FreeValue(ctx, value);
	if (!text)
		return NULL;
	name = JS_AtomToCString(ctx, name_atom);
	if (name) {
		size_t size = strlen(name) + strlen(text) + 2;

		joined = malloc(size);
		if (joined) {
			memcpy(joined, name, strlen(name));
			joined[strlen(name)] = '=';
			memcpy(joined + strlen(name) + 1, text, strlen(text) + 1);
		} else {
			JS_ThrowOutOfMemory(ctx);
		}
		JS_FreeCString(ctx, name);
	}
	JS_FreeCString(ctx, text);
	return joined;
}

static bool read_environment(JSContext *ctx, JSValueConst env, struct spawn_request *request)
{
	JSPropertyEnum *names;
	uint32_t count, i;

	if (!JS_IsObject(env)) {
		JS_ThrowTypeError(ctx, "\"env\" must be an object of strings");
		return false;
	}
	if (JS_GetOwnPropertyNames(ctx, &names, &count, env, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) < 0)
		return false;
	request->environment = calloc((size_t)count + 1, sizeof(char *));
	if (!request->environment)
		JS_ThrowOutOfMemory(ctx);
	for (i = 0; request->environment && i < count; i++) {
		request->environment[i] = variable(ctx, env, names[i].atom);
		if (!request->environment[i])
			break;
	}
	JS_FreePropertyEnum(ctx, names, count);
	return request->environment && i == count;
}

static bool read_input(JSContext *ctx, JSValueConst value, struct spawn_request *request)
{
	struct bytes bytes;

	if (!value_bytes(ctx, value, "input", true, &bytes))
		return false;
	request->has_input = true;
	request->input_length = bytes.length;
	request->input = malloc(bytes.length > 0 ? bytes.length : 1);
	if (request->input)
		memcpy(request->input, bytes.data, bytes.length);
	else
		JS_ThrowOutOfMemory(ctx);
	bytes_release(ctx, &bytes);
	return request->input != NULL;
}

/* Reads the option into the request; `value` is not undefined. */
static bool read_option(JSContext *ctx, const char *name, JSValueConst value, struct spawn_request *request)
{
	int64_t limit;

	switch (name[0]) {
	case 'e':
		return read_environment(ctx, value, request);
	case 'c':
		request->directory = copy_text(ctx, value, name);
		return request->directory != NULL;
	case 't':
		return value_number(ctx, value, name, 0, MAX_TIMEOUT, &request->timeout);
	case 'o':
		if (!value_integer(ctx, value, name, 0, INT32_MAX, &limit))
			return false;
		request->output_limit = (size_t)limit;
		return true;
	default:
		return !strcmp(name, "input") ? read_input(ctx, value, request)
					      : value_boolean(ctx, value, name, &request->inherit);
	}
}

bool spawn_request_read(JSContext *ctx, JSValueConst arguments, JSValueConst options, struct spawn_request *request)
{
	static const char *const names[] = { "env", "cwd", "timeout", "outputLimit", "input", "inherit" };

	memset(request, 0, sizeof(*request));
	request->output_limit = DEFAULT_OUTPUT_LIMIT;
	if (!read_arguments(ctx, arguments, request))
		return false;
	if (!JS_IsObject(options)) {
		JS_ThrowTypeError(ctx, "\"options\" must be an object");
		return false;
	}
	for (int i = 0; i < COUNT(names); i++) {
		JSValue value = JS_GetPropertyStr(ctx, options, names[i]);
		bool read = JS_IsUndefined(value) ||
			    (!JS_IsException(value) && read_option(ctx, names[i], value, request));

		JS_FreeValue(ctx, value);
		if (!read)
			return false;
	}
	return true;
}

static void free_texts(char **texts)
{
	for (char **text = texts; text && *text; text++)
		free(*text);
	free(texts);
}

void spawn_request_free(struct spawn_request *request)
{
	free_texts(request->arguments);
	free_texts(request->environment);
	free(request->directory);
	free(request->input);
}
