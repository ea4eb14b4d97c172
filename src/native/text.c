/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "text.h"

#include <string.h>

#include "value.h"

static const char replacement[] = "\xef\xbf\xbd";

#define REPLACEMENT_LENGTH (sizeof(replacement) - 1)

/*
 * Length of the well-formed sequence (Unicode standard, table 3-7) that `bytes` begins with; where it is malformed,
 * minus the length of the part that one U+FFFD stands for.
 */
static int sequence_length(const uint8_t *bytes, size_t available)
{
	uint8_t first = bytes[0], low = 0x80, high = 0xbf;
	int length;

	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return -1;
	length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	if (first == 0xe0)
		low = 0xa0;
	else if (first == 0xed)
		high = 0x9f;
	else if (first == 0xf0)
		low = 0x90;
	else if (first == 0xf4)
		high = 0x8f;
	for (int i = 1; i < length; i++) {
		if ((size_t)i >= available || bytes[i] < low || bytes[i] > high)
			return -i;
		low = 0x80;
		high = 0xbf;
	}
	return length;
}

JSValue text_decode(JSContext *ctx, const uint8_t *bytes, size_t length)
{
	size_t malformed = 0, end = 0;
	char *repaired;
	JSValue text;

	for (size_t i = 0; i < length;) {
		int step = sequence_length(bytes + i, length - i);

		malformed += step < 0;
		i += (size_t)(step < 0 ? -step : step);
	}
	if (malformed == 0)
		return JS_NewStringLen(ctx, (const char *)bytes, length);
	repaired = js_malloc(ctx, length + malformed * REPLACEMENT_LENGTH);
	if (!repaired)
		return JS_EXCEPTION;
	for (size_t i = 0; i < length;) {
		int step = sequence_length(bytes + i, length - i);

		if (step < 0) {
			memcpy(repaired + end, replacement, REPLACEMENT_LENGTH);
			end += REPLACEMENT_LENGTH;
			i += (size_t)-step;
		} else {
			memcpy(repaired + end, bytes + i, (size_t)step);
			end += (size_t)step;
			i += (size_t)step;
		}
	}
	text = JS_NewStringLen(ctx, repaired, end);
	js_free(ctx, repaired);
	return text;
}

static JSValue decode_utf8(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	struct bytes bytes;

	(void)this_val, (void)argc;
	if (!value_bytes(ctx, argv[0], "bytes", false, &bytes))
		return JS_EXCEPTION;
	return text_decode(ctx, bytes.data, bytes.length);
}

/* The engine writes lone surrogates as if they were characters: ED A0..BF xx, as long as U+FFFD. */
static JSValue encode_utf8(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	size_t length;
	const char *text = value_text(ctx, argv[0], "text", &length);
	uint8_t *bytes;

	(void)this_val, (void)argc;
	if (!text)
		return JS_EXCEPTION;
	bytes = js_malloc(ctx, length > 0 ? length : 1);
	if (bytes)
		memcpy(bytes, text, length);
	JS_FreeCString(ctx, text);
	if (!bytes)
		return JS_EXCEPTION;
	for (size_t i = 0; i + 2 < length; i++) {
		if (bytes[i] == 0xed && bytes[i + 1] >= 0xa0)
			memcpy(bytes + i, replacement, REPLACEMENT_LENGTH);
	}
	return value_new_bytes(ctx, bytes, length);
}

static const JSCFunctionListEntry text_functions[] = {
	JS_CFUNC_DEF("encodeUtf8", 1, encode_utf8),
	JS_CFUNC_DEF("decodeUtf8", 1, decode_utf8),
};

int text_exports(JSContext *ctx, JSModuleDef *module)
{
	return JS_AddModuleExportList(ctx, module, text_functions, COUNT(text_functions));
}

int text_init(JSContext *ctx, JSModuleDef *module)
{
	return JS_SetModuleExportList(ctx, module, text_functions, COUNT(text_functions));
}
