/* Names, connections and data of sockets. SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "socket.h"
#include "value.h"

#define MAX_RECEIVE (64 << 20)
/* Up to this size the data is received on the stack and copied; beyond, into memory of its own. */
#define SMALL_RECEIVE 4096

static JSValue socket_bind(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	struct socket *socket = socket_of(ctx, this_val);
	struct sockaddr_storage address;
	socklen_t length;

	(void)argc;
	if (!socket || !socket_address_read(ctx, argv[0], socket->domain, &address, &length))
		return JS_EXCEPTION;
	/* Reading the address may have run a getter that closed the socket: bind(2) then says EBADF. */
	if (bind(socket->watch.fd, (struct sockaddr *)&address, length) < 0)
		return throw_errno(ctx, errno, "bind", NULL);
	return JS_UNDEFINED;
}

static JSValue socket_connect(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	struct socket *socket = socket_of(ctx, this_val);
	struct sockaddr_storage address;
	socklen_t length;

	(void)argc;
	if (!socket || !socket_address_read(ctx, argv[0], socket->domain, &address, &length))
		return JS_EXCEPTION;
	if (connect(socket->watch.fd, (struct sockaddr *)&address, length) == 0)
		return JS_TRUE;
	/* An interrupted connect(2) goes on by itself. */
	if (errno == EINPROGRESS || errno == EINTR)
		return JS_FALSE;
	return throw_errno(ctx, errno, "connect", NULL);
}

static JSValue socket_listen(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	struct socket *socket = socket_of(ctx, this_val);
	int64_t backlog = SOMAXCONN;

	(void)argc;
	if (!socket)
		return JS_EXCEPTION;
	if (!JS_IsUndefined(argv[0]) && !value_integer(ctx, argv[0], "backlog", 0, INT_MAX, &backlog))
		return JS_EXCEPTION;
	if (listen(socket->watch.fd, (int)backlog) < 0)
		return throw_errno(ctx, errno, "listen", NULL);
	return JS_UNDEFINED;
}

static JSValue socket_accept(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	struct socket *socket = socket_of(ctx, this_val);
	int fd;

	(void)argc, (void)argv;
	if (!socket)
		return JS_EXCEPTION;
	/* A client that has gone again before we took it is none. */
	do
		fd = accept4(socket->watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (fd < 0)
		return errno == EAGAIN ? JS_NULL : throw_errno(ctx, errno, "accept", NULL);
	return socket_wrap(ctx, fd, socket->domain, socket->type);
}

static JSValue socket_send(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	struct socket *socket = socket_of(ctx, this_val);
	struct sockaddr_storage address;
	socklen_t length = 0;
	struct bytes bytes;
	ssize_t sent;

	(void)argc;
	if (!socket)
		return JS_EXCEPTION;
	if (!JS_IsUndefined(argv[1]) && !socket_address_read(ctx, argv[1], socket->domain, &address, &length))
		return JS_EXCEPTION;
	/* After the address, whose getters may change the data. */
	if (!value_bytes(ctx, argv[0], "data", false, &bytes))
		return JS_EXCEPTION;
	do
		sent = sendto(socket->watch.fd, bytes.data, bytes.length, MSG_NOSIGNAL,
			      length > 0 ? (struct sockaddr *)&address : NULL, length);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return errno == EAGAIN ? JS_NewInt32(ctx, -1) : throw_errno(ctx, errno, "send", NULL);
	return JS_NewInt64(ctx, sent);
}

static JSValue new_received(JSContext *ctx, const struct socket *socket, const struct msghdr *message, JSValue data)
{
	JSValue received;

	if (JS_IsException(data))
		return JS_EXCEPTION;
	received = JS_NewObject(ctx);
	if (JS_IsException(received)) {
		JS_FreeValue(ctx, data);
		return JS_EXCEPTION;
	}
	if (!value_define(ctx, received, "data", data) ||
	    !value_define(ctx, received, "truncated", JS_NewBool(ctx, (message->msg_flags & MSG_TRUNC) != 0)))
		goto fail;
	if (socket->type != SOCK_STREAM && message->msg_namelen > 0 &&
	    !value_define(ctx, received, "from", socket_address_new(ctx, message->msg_name, message->msg_namelen)))
		goto fail;
	return received;
fail:
	JS_FreeValue(ctx, received);
	return JS_EXCEPTION;
}

static JSValue socket_receive(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	struct socket *socket = socket_of(ctx, this_val);
	struct sockaddr_storage from;
	uint8_t small[SMALL_RECEIVE];
	uint8_t *buffer = small;
	struct iovec vector;
	struct msghdr message = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &vector, .msg_iovlen = 1 };
	int64_t size;
	ssize_t count;
	JSValue data;

	(void)argc;
	if (!socket || !value_integer(ctx, argv[0], "size", 1, MAX_RECEIVE, &size))
		return JS_EXCEPTION;
	if (size > SMALL_RECEIVE) {
		buffer = js_malloc(ctx, (size_t)size);
		if (!buffer)
			return JS_EXCEPTION;
	}
	vector = (struct iovec){ .iov_base = buffer, .iov_len = (size_t)size };
	do
		count = recvmsg(socket->watch.fd, &message, 0);
	while (count < 0 && errno == EINTR);
	if (count < 0) {
		int error = errno;

		if (buffer != small)
			js_free(ctx, buffer);
		return error == EAGAIN ? JS_NULL : throw_errno(ctx, error, "receive", NULL);
	}
	if (buffer == small) {
		data = JS_NewUint8ArrayCopy(ctx, small, (size_t)count);
	} else {
		uint8_t *fitting = count > 0 ? js_realloc(ctx, buffer, (size_t)count) : NULL;

		data = value_new_bytes(ctx, fitting ? fitting : buffer, (size_t)count);
	}
	return new_received(ctx, socket, &message, data);
}

static JSValue socket_shutdown(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	struct socket *socket = socket_of(ctx, this_val);
	const char *name;
	int how = -1;

	(void)argc;
	if (!socket)
		return JS_EXCEPTION;
	name = value_text(ctx, argv[0], "how", NULL);
	if (!name)
		return JS_EXCEPTION;
	if (!strcmp(name, "read"))
		how = SHUT_RD;
	else if (!strcmp(name, "write"))
		how = SHUT_WR;
	else if (!strcmp(name, "both"))
		how = SHUT_RDWR;
	JS_FreeCString(ctx, name);
	if (how < 0)
		return JS_ThrowTypeError(ctx, "\"how\" must be \"read\", \"write\" or \"both\"");
	if (shutdown(socket->watch.fd, how) < 0)
		return throw_errno(ctx, errno, "shutdown", NULL);
	return JS_UNDEFINED;
}

/* `magic`: 0 = our own address, 1 = the peer's. */
static JSValue socket_name(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic)
{
	struct socket *socket = socket_of(ctx, this_val);
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	int result;

	(void)argc, (void)argv;
	if (!socket)
		return JS_EXCEPTION;
	result = magic == 0 ? getsockname(socket->watch.fd, (struct sockaddr *)&address, &length)
			    : getpeername(socket->watch.fd, (struct sockaddr *)&address, &length);
	if (result < 0)
		return throw_errno(ctx, errno, magic == 0 ? "getsockname" : "getpeername", NULL);
	return socket_address_new(ctx, &address, length);
}

const JSCFunctionListEntry socket_io_methods[] = {
	JS_CFUNC_DEF("bind", 1, socket_bind),
	JS_CFUNC_DEF("connect", 1, socket_connect),
	JS_CFUNC_DEF("listen", 1, socket_listen),
	JS_CFUNC_DEF("accept", 0, socket_accept),
	JS_CFUNC_DEF("send", 2, socket_send),
	JS_CFUNC_DEF("receive", 1, socket_receive),
	JS_CFUNC_DEF("shutdown", 1, socket_shutdown),
	JS_CFUNC_MAGIC_DEF("localAddress", 0, socket_name, 0),
	JS_CFUNC_MAGIC_DEF("peerAddress", 0, socket_name, 1),
};

const int socket_io_method_count = COUNT(socket_io_methods);
