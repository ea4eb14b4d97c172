/* Counting of what a netlink dump tells. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ONEIP_TALLY_H
#define ONEIP_TALLY_H

#include "host.h"

int tally_exports(JSContext *ctx, JSModuleDef *module);
int tally_init(JSContext *ctx, JSModuleDef *module);

#endif
