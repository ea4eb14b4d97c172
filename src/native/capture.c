/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "value.h"

/* What a pipe holds at most. */
#define READ_SIZE 65536

/* Keeps what the limit allows, and what there is memory for. */
static void keep(JSRuntime *rt, struct capture *capture, const uint8_t *data, size_t count)
{
	size_t room = capture->limit - capture->length;

	if (count > room)
		count = room;
	if (count == 0)
		return;
	if (capture->length + count > capture->capacity) {
		size_t capacity = capture->capacity * 2;
		uint8_t *larger;

		if (capacity < capture->length + count)
			capacity = capture->length + count;
		larger = js_realloc_rt(rt, capture->data, capacity);
		if (!larger)
			return;
		capture->data = larger;
		capture->capacity = capacity;
	}
	memcpy(capture->data + capture->length, data, count);
	capture->length += count;
}

bool capture_read(JSRuntime *rt, struct capture *capture)
{
	uint8_t data[READ_SIZE];
	ssize_t count = read(capture->watch.fd, data, sizeof(data));

	if (count > 0)
		keep(rt, capture, data, (size_t)count);
	return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
}

JSValue capture_take(JSContext *ctx, struct capture *capture)
{
	uint8_t *data = capture->data;

	capture->data = NULL;
	if (capture->length > 0 && capture->length < capture->capacity) {
		uint8_t *fitting = js_realloc_rt(JS_GetRuntime(ctx), data, capture->length);

		data = fitting ? fitting : data;
	}
	return value_new_bytes(ctx, data, capture->length);
}

void capture_free(JSRuntime *rt, struct capture *capture)
{
	js_free_rt(rt, capture->data);
	capture->data = NULL;
}
