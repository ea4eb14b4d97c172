/* Promises rejected without a handler. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ONEIP_REJECTION_H
#define ONEIP_REJECTION_H

#include "host.h"

/* JSHostPromiseRejectionTracker; `opaque` is the host. */
void rejection_tracker(JSContext *ctx, JSValueConst promise, JSValueConst reason, bool is_handled, void *opaque);

/* Reports, and forgets, what nobody has handled; to be called when no job is pending. */
void rejections_report(struct host *host);

void rejections_free(struct host *host);

#endif
