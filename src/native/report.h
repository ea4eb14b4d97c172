/* Errors told on standard error. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ONEIP_REPORT_H
#define ONEIP_REPORT_H

#include "host.h"

/* Takes the pending exception and prints it with its stack and its causes. `title`: "Uncaught" or the like. */
void report_exception(JSContext *ctx, const char *title);
void report_value(JSContext *ctx, JSValueConst error, const char *title);

#endif
