/* Arguments taken without conversion: nothing here runs the script's code. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ONEIP_VALUE_H
#define ONEIP_VALUE_H

#include "host.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* Each takes a value of one type and else throws: TypeError for another type, RangeError for a number out of range. */

/* UTF-8; to be freed with JS_FreeCString(). NULL where it threw. `length` may be NULL. */
const char *value_text(JSContext *ctx, JSValueConst value, const char *name, size_t *length);
/* A text without NUL. */
const char *value_path(JSContext *ctx, JSValueConst value, const char *name);
bool value_number(JSContext *ctx, JSValueConst value, const char *name, double minimum, double maximum, double *number);
bool value_integer(JSContext *ctx, JSValueConst value, const char *name, int64_t minimum, int64_t maximum,
		   int64_t *integer);
bool value_boolean(JSContext *ctx, JSValueConst value, const char *name, bool *boolean);
/* A function, or null, which gives false in `present`. */
bool value_callback(JSContext *ctx, JSValueConst value, const char *name, bool *present);

/* Bytes of a Uint8Array, or of a text as UTF-8. They stay valid until released, or until the script's code runs. */
struct bytes {
	const uint8_t *data;
	size_t length;
	const char *text;
};

bool value_bytes(JSContext *ctx, JSValueConst value, const char *name, bool text_allowed, struct bytes *bytes);
void bytes_release(JSContext *ctx, struct bytes *bytes);

/* A Uint8Array of memory from js_malloc(), which it takes over, also where it fails. */
JSValue value_new_bytes(JSContext *ctx, uint8_t *data, size_t length);

/* Defines a property of an object just made. Returns false with an exception pending; frees `value` in any case. */
bool value_define(JSContext *ctx, JSValueConst object, const char *name, JSValue value);

#endif
