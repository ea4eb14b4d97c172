/* Standard input, output and error. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ONEIP_OUTPUT_H
#define ONEIP_OUTPUT_H

#include "host.h"

/* Writes all of it, waiting as needed. Returns 0, or -1 with errno. */
int output_write(int fd, const char *text, size_t length);

int output_exports(JSContext *ctx, JSModuleDef *module);
int output_init(JSContext *ctx, JSModuleDef *module);

/* Gives `global` its console. Returns 0, or -1 with an exception pending. */
int console_init(JSContext *ctx, JSValueConst global);

#endif
