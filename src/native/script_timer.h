/* setTimer() and the timers of the web. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ONEIP_SCRIPT_TIMER_H
#define ONEIP_SCRIPT_TIMER_H

#include "host.h"

int script_timer_exports(JSContext *ctx, JSModuleDef *module);
int script_timer_init(JSContext *ctx, JSModuleDef *module);

/* Registers the class, and gives `global` setTimeout() and its like. Returns 0, or -1 with an exception pending. */
int script_timer_globals(JSContext *ctx, JSValueConst global);

/* Cancels all that are pending. */
void script_timers_free(struct host *host);

#endif
