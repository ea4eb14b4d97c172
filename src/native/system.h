/* The process and its surroundings: version, arguments, clocks. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ONEIP_SYSTEM_H
#define ONEIP_SYSTEM_H

#include "host.h"

int system_exports(JSContext *ctx, JSModuleDef *module);
int system_init(JSContext *ctx, JSModuleDef *module);

#endif
