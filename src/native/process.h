/* Child processes. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ONEIP_PROCESS_H
#define ONEIP_PROCESS_H

#include <sys/types.h>

#include "host.h"

/* What spawn() was asked for. Memory of malloc(): it is read before anything of the engine is touched. */
struct spawn_request {
	char **arguments;
	/* NULL = ours. */
	char **environment;
	char *directory;
	uint8_t *input;
	size_t input_length;
	bool has_input;
	bool inherit;
	/* Milliseconds; 0 = none. */
	double timeout;
	size_t output_limit;
};

/* Reads the arguments of spawn(); false where it threw. To be freed in either case. */
bool spawn_request_read(JSContext *ctx, JSValueConst arguments, JSValueConst options, struct spawn_request *request);
void spawn_request_free(struct spawn_request *request);

/*
 * Starts the child, in a process group of its own unless it inherits our outputs. `pipes` get our ends of its standard
 * input, output and error, non-blocking; -1 where there is none. Returns 0, or an error number.
 */
int spawn_child(const struct spawn_request *request, pid_t *pid, int pipes[3]);

int process_exports(JSContext *ctx, JSModuleDef *module);
int process_init(JSContext *ctx, JSModuleDef *module);
/* Forgets the children that run; they go on. */
void processes_free(struct host *host);

#endif
