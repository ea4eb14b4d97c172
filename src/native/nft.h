/* libnftables, found at run time. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ONEIP_NFT_H
#define ONEIP_NFT_H

#include "host.h"

/* Gives up what the last run has left. Idempotent. */
void nft_release(void);

int nft_exports(JSContext *ctx, JSModuleDef *module);
int nft_init(JSContext *ctx, JSModuleDef *module);

#endif
