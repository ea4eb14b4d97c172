/* SocketAddress and struct sockaddr. SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include "error.h"
#include "socket.h"
#include "value.h"

/* Reads a property that is a number; where it is left out, `fallback` < 0 makes that an error. */
static bool read_number(JSContext *ctx, JSValueConst object, const char *name, int64_t maximum, int64_t fallback,
			int64_t *number)
{
	JSValue value = JS_GetPropertyStr(ctx, object, name);
	bool read;

	if (JS_IsException(value))
		return false;
	*number = fallback;
	read = (JS_IsUndefined(value) && fallback >= 0) || value_integer(ctx, value, name, 0, maximum, number);
	JS_FreeValue(ctx, value);
	return read;
}

/* A path that begins with NUL is a name in the abstract namespace, see unix(7). */
static bool read_unix(JSContext *ctx, JSValueConst object, struct sockaddr_un *address, socklen_t *length)
{
	JSValue value = JS_GetPropertyStr(ctx, object, "path");
	size_t path_length;
	const char *path;
	bool read = false;

	if (JS_IsException(value))
		return false;
	path = value_text(ctx, value, "path", &path_length);
	JS_FreeValue(ctx, value);
	if (!path)
		return false;
	if (path_length > 0 && path[0] != '\0' && strlen(path) != path_length) {
		JS_ThrowTypeError(ctx, "\"path\" must not hold a NUL");
	} else if (path_length >= sizeof(address->sun_path)) {
		throw_errno(ctx, ENAMETOOLONG, "socket", path);
	} else {
		address->sun_family = AF_UNIX;
		memcpy(address->sun_path, path, path_length);
		/* The NUL behind a path counts, but an abstract name has none, and neither has no name at all. */
		*length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_length);
		if (path_length > 0 && path[0] != '\0')
			(*length)++;
		read = true;
	}
	JS_FreeCString(ctx, path);
	return read;
}

static bool read_ip(JSContext *ctx, JSValueConst object, int domain, void *binary)
{
	JSValue value = JS_GetPropertyStr(ctx, object, "address");
	const char *text;
	int valid;

	if (JS_IsException(value))
		return false;
	text = value_path(ctx, value, "address");
	JS_FreeValue(ctx, value);
	if (!text)
		return false;
	valid = inet_pton(domain, text, binary);
	if (valid != 1)
		JS_ThrowTypeError(ctx, "\"%s\" is no %s address", text, domain == AF_INET ? "IPv4" : "IPv6");
	JS_FreeCString(ctx, text);
	return valid == 1;
}

static bool read_inet(JSContext *ctx, JSValueConst object, struct sockaddr_in *address)
{
	int64_t port;

	if (!read_ip(ctx, object, AF_INET, &address->sin_addr) ||
	    !read_number(ctx, object, "port", UINT16_MAX, -1, &port))
		return false;
	address->sin_family = AF_INET;
	address->sin_port = htons((uint16_t)port);
	return true;
}

static bool read_inet6(JSContext *ctx, JSValueConst object, struct sockaddr_in6 *address)
{
	int64_t port, scope;

	if (!read_ip(ctx, object, AF_INET6, &address->sin6_addr) ||
	    !read_number(ctx, object, "port", UINT16_MAX, -1, &port) ||
	    !read_number(ctx, object, "scopeId", UINT32_MAX, 0, &scope))
		return false;
	address->sin6_family = AF_INET6;
	address->sin6_port = htons((uint16_t)port);
	address->sin6_scope_id = (uint32_t)scope;
	return true;
}

static bool read_netlink(JSContext *ctx, JSValueConst object, struct sockaddr_nl *address)
{
	int64_t pid, groups;

	if (!read_number(ctx, object, "nlPid", UINT32_MAX, -1, &pid) ||
	    !read_number(ctx, object, "nlGroups", UINT32_MAX, -1, &groups))
		return false;
	address->nl_family = AF_NETLINK;
	address->nl_pid = (uint32_t)pid;
	address->nl_groups = (uint32_t)groups;
	return true;
}

static bool read_packet(JSContext *ctx, JSValueConst object, struct sockaddr_ll *address)
{
	int64_t index, protocol;
	struct bytes bytes;
	JSValue hardware;
	bool read = true;

	if (!read_number(ctx, object, "ifindex", INT32_MAX, -1, &index) ||
	    !read_number(ctx, object, "protocol", UINT16_MAX, -1, &protocol))
		return false;
	address->sll_family = AF_PACKET;
	address->sll_ifindex = (int)index;
	address->sll_protocol = htons((uint16_t)protocol);
	hardware = JS_GetPropertyStr(ctx, object, "hardware");
	if (JS_IsException(hardware))
		return false;
	if (!JS_IsUndefined(hardware)) {
		read = value_bytes(ctx, hardware, "hardware", false, &bytes);
		if (read && bytes.length > sizeof(address->sll_addr)) {
			JS_ThrowRangeError(ctx, "\"hardware\" must have at most %zu bytes", sizeof(address->sll_addr));
			read = false;
		}
		if (read) {
			memcpy(address->sll_addr, bytes.data, bytes.length);
			address->sll_halen = (uint8_t)bytes.length;
		}
	}
	JS_FreeValue(ctx, hardware);
	return read;
}

bool socket_address_read(JSContext *ctx, JSValueConst value, int domain, struct sockaddr_storage *address,
			 socklen_t *length)
{
	memset(address, 0, sizeof(*address));
	if (!JS_IsObject(value)) {
		JS_ThrowTypeError(ctx, "a socket address must be an object");
		return false;
	}
	switch (domain) {
	case AF_UNIX:
		return read_unix(ctx, value, (struct sockaddr_un *)address, length);
	case AF_INET:
		*length = sizeof(struct sockaddr_in);
		return read_inet(ctx, value, (struct sockaddr_in *)address);
	case AF_INET6:
		*length = sizeof(struct sockaddr_in6);
		return read_inet6(ctx, value, (struct sockaddr_in6 *)address);
	case AF_NETLINK:
		*length = sizeof(struct sockaddr_nl);
		return read_netlink(ctx, value, (struct sockaddr_nl *)address);
	default:
		*length = sizeof(struct sockaddr_ll);
		return read_packet(ctx, value, (struct sockaddr_ll *)address);
	}
}

static bool define_unix(JSContext *ctx, JSValueConst object, const struct sockaddr_un *address, socklen_t length)
{
	size_t path_length = length - offsetof(struct sockaddr_un, sun_path);

	if (path_length > 0 && address->sun_path[0] != '\0')
		path_length = strnlen(address->sun_path, path_length);
	return value_define(ctx, object, "path", JS_NewStringLen(ctx, address->sun_path, path_length));
}

static bool define_inet(JSContext *ctx, JSValueConst object, const struct sockaddr_in *address)
{
	char text[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &address->sin_addr, text, sizeof(text));
	return value_define(ctx, object, "address", JS_NewString(ctx, text)) &&
	       value_define(ctx, object, "port", JS_NewInt32(ctx, ntohs(address->sin_port)));
}

static bool define_inet6(JSContext *ctx, JSValueConst object, const struct sockaddr_in6 *address)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, &address->sin6_addr, text, sizeof(text));
	return value_define(ctx, object, "address", JS_NewString(ctx, text)) &&
	       value_define(ctx, object, "port", JS_NewInt32(ctx, ntohs(address->sin6_port))) &&
	       value_define(ctx, object, "scopeId", JS_NewUint32(ctx, address->sin6_scope_id));
}

static bool define_netlink(JSContext *ctx, JSValueConst object, const struct sockaddr_nl *address)
{
	return value_define(ctx, object, "nlPid", JS_NewUint32(ctx, address->nl_pid)) &&
	       value_define(ctx, object, "nlGroups", JS_NewUint32(ctx, address->nl_groups));
}

static bool define_packet(JSContext *ctx, JSValueConst object, const struct sockaddr_ll *address)
{
	size_t length = address->sll_halen;

	if (length > sizeof(address->sll_addr))
		length = sizeof(address->sll_addr);
	return value_define(ctx, object, "ifindex", JS_NewInt32(ctx, address->sll_ifindex)) &&
	       value_define(ctx, object, "protocol", JS_NewInt32(ctx, ntohs(address->sll_protocol))) &&
	       value_define(ctx, object, "hardware", JS_NewUint8ArrayCopy(ctx, address->sll_addr, length)) &&
	       value_define(ctx, object, "packetType", JS_NewInt32(ctx, address->sll_pkttype));
}

JSValue socket_address_new(JSContext *ctx, const struct sockaddr_storage *address, socklen_t length)
{
	JSValue object = JS_NewObject(ctx);
	bool defined = true;

	if (JS_IsException(object))
		return JS_EXCEPTION;
	switch (address->ss_family) {
	case AF_UNIX:
		defined = define_unix(ctx, object, (const struct sockaddr_un *)address, length);
		break;
	case AF_INET:
		defined = define_inet(ctx, object, (const struct sockaddr_in *)address);
		break;
	case AF_INET6:
		defined = define_inet6(ctx, object, (const struct sockaddr_in6 *)address);
		break;
	case AF_NETLINK:
		defined = define_netlink(ctx, object, (const struct sockaddr_nl *)address);
		break;
	case AF_PACKET:
		defined = define_packet(ctx, object, (const struct sockaddr_ll *)address);
		break;
	}
	if (!defined) {
		JS_FreeValue(ctx, object);
		return JS_EXCEPTION;
	}
	return object;
}
