/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rejection.h"

#include "report.h"

struct rejection {
	struct list_head link;
	JSValue promise;
	JSValue reason;
};

static void rejection_free(JSContext *ctx, struct rejection *rejection)
{
	list_del(&rejection->link);
	JS_FreeValue(ctx, rejection->promise);
	JS_FreeValue(ctx, rejection->reason);
	js_free(ctx, rejection);
}

static struct rejection *rejection_find(struct host *host, JSValueConst promise)
{
	struct list_head *entry;

	list_for_each(entry, &host->rejections) {
		struct rejection *rejection = list_entry(entry, struct rejection, link);

		if (JS_IsStrictEqual(host->ctx, rejection->promise, promise))
			return rejection;
	}
	return NULL;
}

void rejection_tracker(JSContext *ctx, JSValueConst promise, JSValueConst reason, bool is_handled, void *opaque)
{
	struct host *host = opaque;
	struct rejection *rejection = rejection_find(host, promise);

	if (is_handled) {
		if (rejection)
			rejection_free(ctx, rejection);
		return;
	}
	if (rejection)
		return;
	rejection = js_malloc_rt(host->rt, sizeof(*rejection));
	if (!rejection) {
		/* No memory to wait and see whether somebody handles it. */
		report_value(ctx, reason, "Unhandled rejection");
		return;
	}
	rejection->promise = JS_DupValue(ctx, promise);
	rejection->reason = JS_DupValue(ctx, reason);
	list_add_tail(&rejection->link, &host->rejections);
}

void rejections_report(struct host *host)
{
	while (!list_empty(&host->rejections)) {
		struct rejection *rejection = list_entry(host->rejections.next, struct rejection, link);

		report_value(host->ctx, rejection->reason, "Unhandled rejection");
		rejection_free(host->ctx, rejection);
	}
}

void rejections_free(struct host *host)
{
	while (!list_empty(&host->rejections))
		rejection_free(host->ctx, list_entry(host->rejections.next, struct rejection, link));
}
