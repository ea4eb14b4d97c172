/*
 * Counts entries of a netlink dump by what they hold. A router may track a hundred thousand connections, and to look at each of
 * them in the script's language takes some five times as long as to have the kernel tell them. SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "tally.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>

#include "value.h"

#define LONGEST_KEY 64

/* A part of a message. */
struct span {
	const uint8_t *data;
	size_t length;
};

struct tally {
	uint32_t sequence;
	/* Length of the header of a message's family, and the rest of the plan: see native.d.ts. */
	size_t header;
	struct span list, limit, key;
	uint8_t most;
	/* Pairs of first and last keys, ascending. */
	struct span ranges;
	size_t key_length;
	/* 32 bits for each pair. */
	uint8_t *counts;
};

static bool take(struct span *from, size_t length, struct span *part)
{
	if (from->length < length)
		return false;
	*part = (struct span){ from->data, length };
	from->data += length;
	from->length -= length;
	return true;
}

/* A length in one byte, and so many bytes. */
static bool take_counted(struct span *from, struct span *part)
{
	struct span length;

	return take(from, 1, &length) && take(from, length.data[0], part);
}

/* The next attribute; what cannot be one ends the list. */
static bool next_attribute(struct span *list, uint16_t *type, struct span *value)
{
	struct nlattr attribute;
	size_t whole;

	if (list->length < sizeof(attribute))
		return false;
	memcpy(&attribute, list->data, sizeof(attribute));
	if (attribute.nla_len < sizeof(attribute) || attribute.nla_len > list->length)
		return false;
	*type = attribute.nla_type & NLA_TYPE_MASK;
	*value = (struct span){ list->data + sizeof(attribute), attribute.nla_len - sizeof(attribute) };
	whole = NLA_ALIGN(attribute.nla_len);
	if (whole > list->length)
		whole = list->length;
	list->data += whole;
	list->length -= whole;
	return true;
}

/* The value at a path of attributes, each in the one before. False where it is not there. */
static bool find(struct span in, struct span path, struct span *value)
{
	uint16_t type;

	*value = in;
	for (size_t depth = 0; depth < path.length; depth++) {
		struct span list = *value;

		do {
			if (!next_attribute(&list, &type, value))
				return false;
		} while (type != path.data[depth]);
	}
	return true;
}

/* What the entry has in the places of the key, one value behind the other; what is not there, or too short, ends in zeros. */
static void read_key(const struct tally *tally, struct span entry, uint8_t *key)
{
	struct span plan = tally->key, length, path, value;

	while (take(&plan, 1, &length) && take_counted(&plan, &path)) {
		size_t wanted = length.data[0];

		memset(key, 0, wanted);
		if (find(entry, path, &value))
			memcpy(key, value.data, value.length < wanted ? value.length : wanted);
		key += wanted;
	}
}

static void count(const struct tally *tally, struct span entry)
{
	size_t from = 0, to = tally->ranges.length / (2 * tally->key_length);
	uint8_t key[LONGEST_KEY];
	struct span value;

	if (tally->limit.length > 0 && find(entry, tally->limit, &value) && value.length > 0 && value.data[0] > tally->most)
		return;
	read_key(tally, entry, key);
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		const uint8_t *range = tally->ranges.data + 2 * tally->key_length * middle;
		uint32_t counted;

		if (memcmp(key, range, tally->key_length) < 0) {
			to = middle;
		} else if (memcmp(key, range + tally->key_length, tally->key_length) > 0) {
			from = middle + 1;
		} else {
			memcpy(&counted, tally->counts + sizeof(counted) * middle, sizeof(counted));
			counted++;
			memcpy(tally->counts + sizeof(counted) * middle, &counted, sizeof(counted));
			return;
		}
	}
}

/* A message's entries: itself, or each attribute of a list in it. */
static void count_message(const struct tally *tally, struct span message)
{
	struct span list, header;
	uint16_t type;

	if (!take(&message, tally->header, &header))
		return;
	if (tally->list.length == 0) {
		count(tally, message);
	} else if (find(message, tally->list, &list)) {
		while (next_attribute(&list, &type, &message))
			count(tally, message);
	}
}

/* Error number with which a dump has ended. */
static int result_of(struct span message)
{
	int result = 0;

	if (message.length >= sizeof(result))
		memcpy(&result, message.data, sizeof(result));
	return result < 0 ? -result : 0;
}

/* Counts what a datagram of the dump holds. Returns -1, or the error number with which the dump has ended. */
static int count_datagram(const struct tally *tally, struct span datagram)
{
	struct span message, rest;
	struct nlmsghdr header;

	while (take(&datagram, sizeof(header), &message)) {
		memcpy(&header, message.data, sizeof(header));
		if (header.nlmsg_len < sizeof(header) || !take(&datagram, header.nlmsg_len - sizeof(header), &message))
			return EBADMSG;
		take(&datagram, NLMSG_ALIGN(header.nlmsg_len) - header.nlmsg_len, &rest);
		/* What an earlier dump left behind. */
		if (header.nlmsg_seq != tally->sequence)
			continue;
		if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR)
			return result_of(message);
		if (header.nlmsg_type != NLMSG_NOOP)
			count_message(tally, message);
	}
	return -1;
}

static bool read_plan(JSContext *ctx, struct span plan, struct tally *tally)
{
	struct span header, most, key, part, path;

	if (!take(&plan, 1, &header) || !take_counted(&plan, &tally->list) || !take_counted(&plan, &tally->limit) ||
	    !take(&plan, 1, &most)) {
		JS_ThrowRangeError(ctx, "plan is too short");
		return false;
	}
	tally->header = header.data[0];
	tally->most = most.data[0];
	tally->key = key = plan;
	tally->key_length = 0;
	while (key.length > 0) {
		if (!take(&key, 1, &part) || !take_counted(&key, &path)) {
			JS_ThrowRangeError(ctx, "plan is too short");
			return false;
		}
		tally->key_length += part.data[0];
	}
	if (tally->key_length < 1 || tally->key_length > LONGEST_KEY) {
		JS_ThrowRangeError(ctx, "a key has 1 to %d bytes", LONGEST_KEY);
		return false;
	}
	return true;
}

static JSValue tally_count(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	struct bytes datagram, plan, ranges;
	struct tally tally;
	int64_t sequence;
	size_t length;

	(void)this_val, (void)argc;
	if (!value_bytes(ctx, argv[0], "datagram", false, &datagram) ||
	    !value_integer(ctx, argv[1], "sequence", 0, UINT32_MAX, &sequence) ||
	    !value_bytes(ctx, argv[2], "plan", false, &plan) || !value_bytes(ctx, argv[3], "ranges", false, &ranges) ||
	    !read_plan(ctx, (struct span){ plan.data, plan.length }, &tally))
		return JS_EXCEPTION;
	tally.counts = JS_GetUint8Array(ctx, &length, argv[4]);
	if (!tally.counts)
		return JS_EXCEPTION;
	if (ranges.length % (2 * tally.key_length) != 0 ||
	    ranges.length / (2 * tally.key_length) != length / sizeof(uint32_t) || length % sizeof(uint32_t) != 0)
		return JS_ThrowRangeError(ctx, "ranges and counts do not fit");
	tally.sequence = (uint32_t)sequence;
	tally.ranges = (struct span){ ranges.data, ranges.length };
	return JS_NewInt32(ctx, count_datagram(&tally, (struct span){ datagram.data, datagram.length }));
}

static const JSCFunctionListEntry tally_functions[] = {
	JS_CFUNC_DEF("tally", 5, tally_count),
};

int tally_exports(JSContext *ctx, JSModuleDef *module)
{
	return JS_AddModuleExportList(ctx, module, tally_functions, COUNT(tally_functions));
}

int tally_init(JSContext *ctx, JSModuleDef *module)
{
	return JS_SetModuleExportList(ctx, module, tally_functions, COUNT(tally_functions));
}
