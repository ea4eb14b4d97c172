/* An output of a child, kept as far as its limit allows. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ONEIP_CAPTURE_H
#define ONEIP_CAPTURE_H

#include "loop.h"

struct process;

struct capture {
	struct watch watch; /* of a pipe */
	struct process *owner;
	size_t limit;
	/* Of the engine's memory, so that its limit counts. */
	uint8_t *data;
	size_t length;
	size_t capacity;
};

/* Reads once what the pipe holds. Returns false at the end of the output. */
bool capture_read(JSRuntime *rt, struct capture *capture);
/* Hands what was kept over to the script, as a Uint8Array. */
JSValue capture_take(JSContext *ctx, struct capture *capture);
void capture_free(JSRuntime *rt, struct capture *capture);

#endif
