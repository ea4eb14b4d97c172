/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "value.h"

#include <math.h>
#include <string.h>

const char *value_text(JSContext *ctx, JSValueConst value, const char *name, size_t *length)
{
	if (!JS_IsString(value)) {
		JS_ThrowTypeError(ctx, "\"%s\" must be a string", name);
		return NULL;
	}
	return JS_ToCStringLen(ctx, length, value);
}

const char *value_path(JSContext *ctx, JSValueConst value, const char *name)
{
	size_t length;
	const char *text = value_text(ctx, value, name, &length);

	if (text && strlen(text) != length) {
		JS_FreeCString(ctx, text);
		JS_ThrowTypeError(ctx, "\"%s\" must not hold a NUL", name);
		return NULL;
	}
	return text;
}

bool value_number(JSContext *ctx, JSValueConst value, const char *name, double minimum, double maximum, double *number)
{
	if (!JS_IsNumber(value)) {
		JS_ThrowTypeError(ctx, "\"%s\" must be a number", name);
		return false;
	}
	if (JS_ToFloat64(ctx, number, value) < 0)
		return false;
	if (!(*number >= minimum && *number <= maximum)) {
		JS_ThrowRangeError(ctx, "\"%s\" must be between %.0f and %.0f", name, minimum, maximum);
		return false;
	}
	return true;
}

bool value_integer(JSContext *ctx, JSValueConst value, const char *name, int64_t minimum, int64_t maximum,
		   int64_t *integer)
{
	double number;

	if (!value_number(ctx, value, name, (double)minimum, (double)maximum, &number))
		return false;
	if (number != trunc(number)) {
		JS_ThrowRangeError(ctx, "\"%s\" must be an integer", name);
		return false;
	}
	*integer = (int64_t)number;
	return true;
}

bool value_boolean(JSContext *ctx, JSValueConst value, const char *name, bool *boolean)
{
	if (!JS_IsBool(value)) {
		JS_ThrowTypeError(ctx, "\"%s\" must be a boolean", name);
		return false;
	}
	*boolean = JS_VALUE_GET_BOOL(value);
	return true;
}

bool value_callback(JSContext *ctx, JSValueConst value, const char *name, bool *present)
{
	*present = !JS_IsNull(value);
	if (*present && !JS_IsFunction(ctx, value)) {
		JS_ThrowTypeError(ctx, "\"%s\" must be a function or null", name);
		return false;
	}
	return true;
}

bool value_bytes(JSContext *ctx, JSValueConst value, const char *name, bool text_allowed, struct bytes *bytes)
{
	bytes->text = NULL;
	if (text_allowed && JS_IsString(value)) {
		bytes->text = JS_ToCStringLen(ctx, &bytes->length, value);
		bytes->data = (const uint8_t *)bytes->text;
		return bytes->text != NULL;
	}
	if (JS_GetTypedArrayType(value) != JS_TYPED_ARRAY_UINT8) {
		JS_ThrowTypeError(ctx, "\"%s\" must be a %sUint8Array", name, text_allowed ? "string or " : "");
		return false;
	}
	/* Throws where the buffer behind the array has been taken away. */
	bytes->data = JS_GetUint8Array(ctx, &bytes->length, value);
	return bytes->data != NULL;
}

void bytes_release(JSContext *ctx, struct bytes *bytes)
{
	if (bytes->text)
		JS_FreeCString(ctx, bytes->text);
	bytes->text = NULL;
}

static void *resize_buffer(JSRuntime *rt, void *opaque, void *data, size_t size)
{
	(void)opaque;
	return js_realloc_rt(rt, data, size);
}

JSValue value_new_bytes(JSContext *ctx, uint8_t *data, size_t length)
{
	JSValue buffer, array;

	if (length == 0) {
		js_free(ctx, data);
		return JS_NewUint8ArrayCopy(ctx, (const uint8_t *)"", 0);
	}
	buffer = JS_NewArrayBuffer(ctx, data, length, 0, resize_buffer, NULL, false);
	if (JS_IsException(buffer)) {
		js_free(ctx, data);
		return JS_EXCEPTION;
	}
	array = JS_NewTypedArray(ctx, 1, (JSValueConst[]){ buffer }, JS_TYPED_ARRAY_UINT8);
	JS_FreeValue(ctx, buffer);
	return array;
}

bool value_define(JSContext *ctx, JSValueConst object, const char *name, JSValue value)
{
	if (JS_IsException(value))
		return false;
	return JS_DefinePropertyValueStr(ctx, object, name, value, JS_PROP_C_W_E) >= 0;
}
