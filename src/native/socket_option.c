/* Options, multicast groups and filters of sockets. SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/icmp.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "error.h"
#include "socket.h"
#include "value.h"

/* <linux/in6.h> has these, but cannot be had together with <netinet/in.h>; not every libc has them. */
#ifndef IPV6_TRANSPARENT
#define IPV6_TRANSPARENT 75
#endif
#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78
#endif
#ifndef ICMP6_FILTER
#define ICMP6_FILTER 1
#endif
#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif
#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

#define OPTION(level, name) { #name, level, name }

static const struct option {
	const char *name;
	int level;
	int number;
} options[] = {
	OPTION(SOL_SOCKET, SO_RCVBUF),
	OPTION(SOL_SOCKET, SO_RCVBUFFORCE),
	OPTION(SOL_SOCKET, SO_SNDBUF),
	OPTION(SOL_SOCKET, SO_SNDBUFFORCE),
	OPTION(SOL_SOCKET, SO_REUSEADDR),
	OPTION(SOL_SOCKET, SO_REUSEPORT),
	OPTION(SOL_SOCKET, SO_KEEPALIVE),
	OPTION(SOL_SOCKET, SO_LINGER),
	OPTION(SOL_SOCKET, SO_BROADCAST),
	OPTION(SOL_SOCKET, SO_DONTROUTE),
	OPTION(SOL_SOCKET, SO_MARK),
	OPTION(SOL_SOCKET, SO_BINDTODEVICE),
	OPTION(SOL_SOCKET, SO_ERROR),
	OPTION(SOL_SOCKET, SO_PRIORITY),
	OPTION(SOL_SOCKET, SO_TYPE),
	OPTION(SOL_SOCKET, SO_PROTOCOL),
	OPTION(IPPROTO_IP, IP_TTL),
	OPTION(IPPROTO_IP, IP_TOS),
	OPTION(IPPROTO_IP, IP_HDRINCL),
	OPTION(IPPROTO_IP, IP_FREEBIND),
	OPTION(IPPROTO_IP, IP_TRANSPARENT),
	OPTION(IPPROTO_IP, IP_MTU_DISCOVER),
	OPTION(IPPROTO_IP, IP_MTU),
	OPTION(IPPROTO_IP, IP_MULTICAST_IF),
	OPTION(IPPROTO_IP, IP_MULTICAST_TTL),
	OPTION(IPPROTO_IP, IP_MULTICAST_LOOP),
	OPTION(IPPROTO_IPV6, IPV6_V6ONLY),
	OPTION(IPPROTO_IPV6, IPV6_UNICAST_HOPS),
	OPTION(IPPROTO_IPV6, IPV6_MULTICAST_IF),
	OPTION(IPPROTO_IPV6, IPV6_MULTICAST_HOPS),
	OPTION(IPPROTO_IPV6, IPV6_MULTICAST_LOOP),
	OPTION(IPPROTO_IPV6, IPV6_MTU_DISCOVER),
	OPTION(IPPROTO_IPV6, IPV6_TCLASS),
	OPTION(IPPROTO_IPV6, IPV6_FREEBIND),
	OPTION(IPPROTO_IPV6, IPV6_TRANSPARENT),
	OPTION(IPPROTO_IPV6, IPV6_CHECKSUM),
	OPTION(IPPROTO_TCP, TCP_NODELAY),
	OPTION(IPPROTO_TCP, TCP_KEEPIDLE),
	OPTION(IPPROTO_TCP, TCP_KEEPINTVL),
	OPTION(IPPROTO_TCP, TCP_KEEPCNT),
	OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT),
	OPTION(IPPROTO_TCP, TCP_MAXSEG),
	OPTION(IPPROTO_RAW, ICMP_FILTER),
	OPTION(IPPROTO_ICMPV6, ICMP6_FILTER),
	OPTION(SOL_PACKET, PACKET_ADD_MEMBERSHIP),
	OPTION(SOL_PACKET, PACKET_DROP_MEMBERSHIP),
	OPTION(SOL_PACKET, PACKET_IGNORE_OUTGOING),
	OPTION(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP),
	OPTION(SOL_NETLINK, NETLINK_DROP_MEMBERSHIP),
	OPTION(SOL_NETLINK, NETLINK_EXT_ACK),
	OPTION(SOL_NETLINK, NETLINK_CAP_ACK),
	OPTION(SOL_NETLINK, NETLINK_GET_STRICT_CHK),
	OPTION(SOL_NETLINK, NETLINK_NO_ENOBUFS),
};

/* NULL where it threw. */
static const struct option *option_of(JSContext *ctx, JSValueConst value)
{
	const char *name = value_text(ctx, value, "name", NULL);
	const struct option *option = NULL;

	if (!name)
		return NULL;
	for (int i = 0; i < COUNT(options); i++) {
		if (!strcmp(options[i].name, name))
			option = &options[i];
	}
	if (!option)
		JS_ThrowTypeError(ctx, "there is no socket option \"%s\"", name);
	JS_FreeCString(ctx, name);
	return option;
}

static JSValue set(JSContext *ctx, const struct socket *socket, const struct option *option, const void *value,
		   size_t length)
{
	if (setsockopt(socket->watch.fd, option->level, option->number, value, (socklen_t)length) < 0)
		return throw_errno(ctx, errno, "setsockopt", option->name);
	return JS_UNDEFINED;
}

static JSValue set_option(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	struct socket *socket = socket_of(ctx, this_val);
	const struct option *option = socket ? option_of(ctx, argv[0]) : NULL;
	bool text_allowed;
	struct bytes bytes;
	int64_t number;
	JSValue result;

	(void)argc;
	if (!option)
		return JS_EXCEPTION;
	text_allowed = option->level == SOL_SOCKET && option->number == SO_BINDTODEVICE;
	if (JS_IsNumber(argv[1]) && !text_allowed) {
		uint32_t value;

		/* Marks and group sets use all 32 bits. */
		if (!value_integer(ctx, argv[1], "value", INT32_MIN, UINT32_MAX, &number))
			return JS_EXCEPTION;
		value = (uint32_t)number;
		return set(ctx, socket, option, &value, sizeof(value));
	}
	if (!JS_IsString(argv[1]) && JS_GetTypedArrayType(argv[1]) != JS_TYPED_ARRAY_UINT8)
		return JS_ThrowTypeError(ctx, "\"value\" must be a %s or a Uint8Array",
					 text_allowed ? "string" : "number");
	if (!value_bytes(ctx, argv[1], "value", text_allowed, &bytes))
		return JS_EXCEPTION;
	result = set(ctx, socket, option, bytes.data, bytes.length);
	bytes_release(ctx, &bytes);
	return result;
}

static JSValue get_option(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	struct socket *socket = socket_of(ctx, this_val);
	const struct option *option = socket ? option_of(ctx, argv[0]) : NULL;
	int value = 0;
	socklen_t length = sizeof(value);

	(void)argc;
	if (!option)
		return JS_EXCEPTION;
	if (getsockopt(socket->watch.fd, option->level, option->number, &value, &length) < 0)
		return throw_errno(ctx, errno, "getsockopt", option->name);
	/* Some IP options answer with one byte where the value fits. */
	if (length == 1)
		value = *(unsigned char *)&value;
	if (option->number == SO_MARK && option->level == SOL_SOCKET)
		return JS_NewUint32(ctx, (uint32_t)value);
	return JS_NewInt32(ctx, value);
}

static JSValue join_group(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	struct socket *socket = socket_of(ctx, this_val);
	struct ip_mreqn group4 = { 0 };
	struct ipv6_mreq group6 = { 0 };
	const char *address;
	int64_t index;
	int result, valid;

	(void)argc;
	if (!socket || !value_integer(ctx, argv[1], "ifindex", 0, INT32_MAX, &index))
		return JS_EXCEPTION;
	address = value_path(ctx, argv[0], "address");
	if (!address)
		return JS_EXCEPTION;
	if (socket->domain == AF_INET)
		valid = inet_pton(AF_INET, address, &group4.imr_multiaddr);
	else
		valid = inet_pton(AF_INET6, address, &group6.ipv6mr_multiaddr);
	JS_FreeCString(ctx, address);
	if (valid != 1)
		return JS_ThrowTypeError(ctx, "\"address\" must be an %s address",
					 socket->domain == AF_INET ? "IPv4" : "IPv6");
	group4.imr_ifindex = (int)index;
	group6.ipv6mr_interface = (unsigned int)index;
	if (socket->domain == AF_INET)
		result = setsockopt(socket->watch.fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group4, sizeof(group4));
	else
		result = setsockopt(socket->watch.fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &group6, sizeof(group6));
	return result < 0 ? throw_errno(ctx, errno, "setsockopt", "joinGroup") : JS_UNDEFINED;
}

/* Reads [code, jt, jf, k]. */
static bool read_instruction(JSContext *ctx, JSValueConst array, struct sock_filter *instruction)
{
	static const int64_t maxima[] = { UINT16_MAX, UINT8_MAX, UINT8_MAX, UINT32_MAX };
	int64_t fields[4];

	if (!JS_IsArray(array)) {
		JS_ThrowTypeError(ctx, "an instruction must be an array of four numbers");
		return false;
	}
	for (int i = 0; i < 4; i++) {
		JSValue field = JS_GetPropertyUint32(ctx, array, (uint32_t)i);
		bool read = !JS_IsException(field) &&
			    value_integer(ctx, field, "instruction", 0, maxima[i], &fields[i]);

		JS_FreeValue(ctx, field);
		if (!read)
			return false;
	}
	*instruction = (struct sock_filter){ .code = (uint16_t)fields[0],
					     .jt = (uint8_t)fields[1],
					     .jf = (uint8_t)fields[2],
					     .k = (uint32_t)fields[3] };
	return true;
}

static JSValue set_filter(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	struct socket *socket = socket_of(ctx, this_val);
	struct sock_filter *instructions;
	struct sock_fprog program;
	JSValue result = JS_UNDEFINED;
	int64_t count;
	int unused = 0;

	(void)argc;
	if (!socket)
		return JS_EXCEPTION;
	if (!JS_IsArray(argv[0]))
		return JS_ThrowTypeError(ctx, "\"program\" must be an array of instructions");
	if (JS_GetLength(ctx, argv[0], &count) < 0)
		return JS_EXCEPTION;
	if (count > BPF_MAXINSNS)
		return JS_ThrowRangeError(ctx, "\"program\" must have at most %d instructions", BPF_MAXINSNS);
	if (count == 0) {
		/* ENOENT: there was none. */
		if (setsockopt(socket->watch.fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)) < 0 &&
		    errno != ENOENT)
			return throw_errno(ctx, errno, "setsockopt", "SO_DETACH_FILTER");
		return JS_UNDEFINED;
	}
	instructions = js_malloc(ctx, (size_t)count * sizeof(*instructions));
	if (!instructions)
		return JS_EXCEPTION;
	for (int64_t i = 0; i < count && !JS_IsException(result); i++) {
		JSValue instruction = JS_GetPropertyInt64(ctx, argv[0], i);

		if (JS_IsException(instruction) || !read_instruction(ctx, instruction, &instructions[i]))
			result = JS_EXCEPTION;
		JS_FreeValue(ctx, instruction);
	}
	program = (struct sock_fprog){ .len = (unsigned short)count, .filter = instructions };
	if (!JS_IsException(result) &&
	    setsockopt(socket->watch.fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		result = throw_errno(ctx, errno, "setsockopt", "SO_ATTACH_FILTER");
	js_free(ctx, instructions);
	return result;
}

const JSCFunctionListEntry socket_option_methods[] = {
	JS_CFUNC_DEF("setOption", 2, set_option),
	JS_CFUNC_DEF("getOption", 1, get_option),
	JS_CFUNC_DEF("joinGroup", 2, join_group),
	JS_CFUNC_DEF("setFilter", 1, set_filter),
};

const int socket_option_method_count = COUNT(socket_option_methods);
