/* Failed system calls as JavaScript errors. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ONEIP_ERROR_H
#define ONEIP_ERROR_H

#include "host.h"

/*
 * Throws an Error with `code`, `errno` and `syscall`, and returns JS_EXCEPTION. `subject` is what the call was about (a
 * path, a program), or NULL.
 */
JSValue throw_errno(JSContext *ctx, int error, const char *syscall, const char *subject);

#endif
