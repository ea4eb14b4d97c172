/* Scripts: ES modules from files. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ONEIP_SCRIPT_H
#define ONEIP_SCRIPT_H

#include "host.h"

/* JSModuleLoaderFunc: a module imported by a relative or absolute path. */
JSModuleDef *script_load(JSContext *ctx, const char *name, void *opaque);

/* Evaluates the script of the host. Returns the promise of its evaluation, or JS_EXCEPTION. */
JSValue script_run(struct host *host);

#endif
