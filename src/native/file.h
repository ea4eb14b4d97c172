/* Files. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ONEIP_FILE_H
#define ONEIP_FILE_H

#include "host.h"

/* Reads from a descriptor to the end into a Uint8Array; EFBIG beyond `limit`. `subject` is for messages. */
JSValue file_read_descriptor(JSContext *ctx, int fd, size_t limit, const char *subject);

int file_exports(JSContext *ctx, JSModuleDef *module);
int file_init(JSContext *ctx, JSModuleDef *module);

/* The part that writes: writeFile(), replaceFile() and lockFile(). */
int file_write_exports(JSContext *ctx, JSModuleDef *module);
int file_write_init(JSContext *ctx, JSModuleDef *module);

#endif
