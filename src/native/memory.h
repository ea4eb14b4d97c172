/* Memory of the process. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ONEIP_MEMORY_H
#define ONEIP_MEMORY_H

#include "host.h"

/* Makes the allocator give back what is free; to be called first of all. */
void memory_setup(void);
/* Gives free memory back to the system. */
void memory_release(void);

int memory_exports(JSContext *ctx, JSModuleDef *module);
int memory_init(JSContext *ctx, JSModuleDef *module);

#endif
