/* UTF-8. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ONEIP_TEXT_H
#define ONEIP_TEXT_H

#include "host.h"

/* A string of bytes of any origin; malformed sequences become U+FFFD. */
JSValue text_decode(JSContext *ctx, const uint8_t *bytes, size_t length);

int text_exports(JSContext *ctx, JSModuleDef *module);
int text_init(JSContext *ctx, JSModuleDef *module);

#endif
