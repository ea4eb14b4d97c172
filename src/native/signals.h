/* Signals, taken by signalfd(2), and kill(2). SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ONEIP_SIGNALS_H
#define ONEIP_SIGNALS_H

#include "host.h"

int signals_exports(JSContext *ctx, JSModuleDef *module);
int signals_init(JSContext *ctx, JSModuleDef *module);

/* Signal mask and dispositions as the host wants them, whatever it was started with. */
void signals_reset(void);
/* The script has had its first turn: what it does not handle by now it does not want to. */
void signals_begin(void);
void signals_free(struct host *host);

/* The number of a signal given by name, or 0 as a number where `zero_allowed`; -1 where it threw. */
int signal_argument(JSContext *ctx, JSValueConst value, bool zero_allowed);

#endif
