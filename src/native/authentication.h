/* Message authentication codes. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ONEIP_AUTHENTICATION_H
#define ONEIP_AUTHENTICATION_H

#include "host.h"

int authentication_exports(JSContext *ctx, JSModuleDef *module);
int authentication_init(JSContext *ctx, JSModuleDef *module);

#endif
