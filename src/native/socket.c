/* The life of a socket: made, watched, closed or collected. SPDX-License-Identifier: GPL-2.0-or-later */
#include "socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "error.h"
#include "value.h"

struct named {
	const char *name;
	int number;
};

static const struct named domains[] = {
	{ "unix", AF_UNIX },       { "inet", AF_INET },     { "inet6", AF_INET6 },
	{ "netlink", AF_NETLINK }, { "packet", AF_PACKET },
};

static const struct named types[] = {
	{ "stream", SOCK_STREAM },
	{ "dgram", SOCK_DGRAM },
	{ "raw", SOCK_RAW },
	{ "seqpacket", SOCK_SEQPACKET },
};

/* Number of a name; -1 where it threw. */
static int number_of(JSContext *ctx, JSValueConst value, const char *what, const struct named *table, int count)
{
	const char *name = value_text(ctx, value, what, NULL);
	int number = -1;

	if (!name)
		return -1;
	for (int i = 0; i < count; i++) {
		if (!strcmp(table[i].name, name))
			number = table[i].number;
	}
	if (number < 0)
		JS_ThrowTypeError(ctx, "there is no socket %s \"%s\"", what, name);
	JS_FreeCString(ctx, name);
	return number;
}

static bool has_callback(const struct socket *socket)
{
	return !JS_IsUndefined(socket->self);
}

static void close_descriptor(struct host *host, struct socket *socket)
{
	(void)watch_set(host, &socket->watch, 0);
	/* Linux closes it even where close(2) fails. */
	(void)close(socket->watch.fd);
	socket->watch.fd = -1;
}

static void socket_finalizer(JSRuntime *rt, JSValueConst value)
{
	struct host *host = JS_GetRuntimeOpaque(rt);
	struct socket *socket = JS_GetOpaque(value, host->socket_class);

	if (!socket)
		return;
	if (socket->watch.fd >= 0)
		close_descriptor(host, socket);
	js_free_rt(rt, socket);
}

static const JSClassDef socket_class = { "Socket", .finalizer = socket_finalizer };

/* Sets a callback; `object` is the socket's own. Returns 0, or -1 with errno. */
static int set_callbacks(struct host *host, struct socket *socket, JSValueConst object, JSValue *slot,
			 JSValueConst callback)
{
	JSValue former = *slot, self = JS_UNDEFINED;
	uint32_t events = 0;

	*slot = JS_DupValue(host->ctx, callback);
	if (!JS_IsUndefined(socket->on_readable))
		events |= EPOLLIN;
	if (!JS_IsUndefined(socket->on_writable))
		events |= EPOLLOUT;
	if (socket->watch.fd >= 0 && watch_set(host, &socket->watch, events) < 0) {
		JS_FreeValue(host->ctx, *slot);
		*slot = former;
		return -1;
	}
	if (events != 0 && !has_callback(socket)) {
		socket->self = JS_DupValue(host->ctx, object);
		list_add_tail(&socket->link, &host->sockets);
		host->alive++;
	} else if (events == 0 && has_callback(socket)) {
		self = socket->self;
		socket->self = JS_UNDEFINED;
		list_del(&socket->link);
		host->alive--;
	}
	/* Last, since these may be what keeps the socket itself. */
	JS_FreeValue(host->ctx, former);
	JS_FreeValue(host->ctx, self);
	return 0;
}

/* To be called by somebody who holds the object. */
static void drop_callbacks(struct host *host, struct socket *socket)
{
	/* Taking callbacks away cannot fail. */
	(void)set_callbacks(host, socket, JS_UNDEFINED, &socket->on_readable, JS_UNDEFINED);
	(void)set_callbacks(host, socket, JS_UNDEFINED, &socket->on_writable, JS_UNDEFINED);
}

/* An error or a hang-up is told to whoever listens: the next call on the socket says what it is. */
static void socket_ready(struct host *host, struct watch *watch, uint32_t events)
{
	struct socket *socket = (struct socket *)watch;
	JSValue self = JS_DupValue(host->ctx, socket->self);

	if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) && !JS_IsUndefined(socket->on_readable))
		host_call(host, socket->on_readable, 0, NULL);
	if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) && !JS_IsUndefined(socket->on_writable))
		host_call(host, socket->on_writable, 0, NULL);
	JS_FreeValue(host->ctx, self);
}

static JSValue wrap_with_prototype(JSContext *ctx, JSValueConst prototype, int fd, int domain, int type)
{
	struct host *host = host_of(ctx);
	JSValue object = JS_NewObjectProtoClass(ctx, prototype, host->socket_class);
	struct socket *socket = JS_IsException(object) ? NULL : js_mallocz(ctx, sizeof(*socket));

	if (!socket) {
		close(fd);
		JS_FreeValue(ctx, object);
		return JS_EXCEPTION;
	}
	socket->watch.fd = fd;
	socket->watch.ready = socket_ready;
	socket->domain = domain;
	socket->type = type;
	socket->self = JS_UNDEFINED;
	socket->on_readable = JS_UNDEFINED;
	socket->on_writable = JS_UNDEFINED;
	JS_SetOpaque(object, socket);
	return object;
}

JSValue socket_wrap(JSContext *ctx, int fd, int domain, int type)
{
	JSValue prototype = JS_GetClassProto(ctx, host_of(ctx)->socket_class);
	JSValue object = wrap_with_prototype(ctx, prototype, fd, domain, type);

	JS_FreeValue(ctx, prototype);
	return object;
}

static JSValue socket_new(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
	int domain = number_of(ctx, argv[0], "domain", domains, COUNT(domains));
	int type = domain < 0 ? -1 : number_of(ctx, argv[1], "type", types, COUNT(types));
	int64_t protocol = 0;
	JSValue prototype, object;
	int fd;

	(void)argc;
	if (type < 0)
		return JS_EXCEPTION;
	if (!JS_IsUndefined(argv[2]) && !value_integer(ctx, argv[2], "protocol", 0, UINT16_MAX, &protocol))
		return JS_EXCEPTION;
	if (domain == AF_PACKET)
		protocol = htons((uint16_t)protocol);
	prototype = JS_GetPropertyStr(ctx, new_target, "prototype");
	if (JS_IsException(prototype))
		return JS_EXCEPTION;
	fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, (int)protocol);
	if (fd < 0)
		object = throw_errno(ctx, errno, "socket", NULL);
	else
		object = wrap_with_prototype(ctx, prototype, fd, domain, type);
	JS_FreeValue(ctx, prototype);
	return object;
}

struct socket *socket_of(JSContext *ctx, JSValueConst value)
{
	struct socket *socket = JS_GetOpaque2(ctx, value, host_of(ctx)->socket_class);

	if (socket && socket->watch.fd < 0) {
		throw_errno(ctx, EBADF, "socket", NULL);
		return NULL;
	}
	return socket;
}

static JSValue socket_fd(JSContext *ctx, JSValueConst this_val)
{
	struct socket *socket = JS_GetOpaque2(ctx, this_val, host_of(ctx)->socket_class);

	return socket ? JS_NewInt32(ctx, socket->watch.fd) : JS_EXCEPTION;
}

/* `magic`: 0 = readable, 1 = writable. */
static JSValue socket_on(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic)
{
	struct socket *socket = socket_of(ctx, this_val);
	bool present;

	(void)argc;
	if (!socket || !value_callback(ctx, argv[0], "callback", &present))
		return JS_EXCEPTION;
	if (set_callbacks(host_of(ctx), socket, this_val, magic == 0 ? &socket->on_readable : &socket->on_writable,
			  present ? argv[0] : JS_UNDEFINED) < 0)
		return throw_errno(ctx, errno, "epoll_ctl", NULL);
	return JS_UNDEFINED;
}

static JSValue socket_close(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	struct socket *socket = JS_GetOpaque2(ctx, this_val, host_of(ctx)->socket_class);

	(void)argc, (void)argv;
	if (!socket)
		return JS_EXCEPTION;
	if (socket->watch.fd >= 0) {
		close_descriptor(host_of(ctx), socket);
		drop_callbacks(host_of(ctx), socket);
	}
	return JS_UNDEFINED;
}

static const JSCFunctionListEntry socket_methods[] = {
	JS_CGETSET_DEF("fd", socket_fd, NULL),
	JS_CFUNC_MAGIC_DEF("onReadable", 1, socket_on, 0),
	JS_CFUNC_MAGIC_DEF("onWritable", 1, socket_on, 1),
	JS_CFUNC_DEF("close", 0, socket_close),
};

int socket_exports(JSContext *ctx, JSModuleDef *module)
{
	return JS_AddModuleExport(ctx, module, "Socket");
}

int socket_init(JSContext *ctx, JSModuleDef *module)
{
	struct host *host = host_of(ctx);
	JSValue prototype, constructor;

	JS_NewClassID(host->rt, &host->socket_class);
	if (JS_NewClass(host->rt, host->socket_class, &socket_class) < 0)
		return -1;
	prototype = JS_NewObject(ctx);
	if (JS_IsException(prototype))
		return -1;
	JS_SetClassProto(ctx, host->socket_class, prototype);
	if (JS_SetPropertyFunctionList(ctx, prototype, socket_methods, COUNT(socket_methods)) < 0 ||
	    JS_SetPropertyFunctionList(ctx, prototype, socket_io_methods, socket_io_method_count) < 0 ||
	    JS_SetPropertyFunctionList(ctx, prototype, socket_option_methods, socket_option_method_count) < 0)
		return -1;
	constructor = JS_NewCFunction2(ctx, socket_new, "Socket", 3, JS_CFUNC_constructor, 0);
	if (JS_IsException(constructor))
		return -1;
	if (JS_SetConstructor(ctx, constructor, prototype) < 0) {
		JS_FreeValue(ctx, constructor);
		return -1;
	}
	return JS_SetModuleExport(ctx, module, "Socket", constructor);
}

void sockets_free(struct host *host)
{
	while (!list_empty(&host->sockets)) {
		struct socket *socket = list_entry(host->sockets.next, struct socket, link);
		JSValue self = JS_DupValue(host->ctx, socket->self);

		drop_callbacks(host, socket);
		JS_FreeValue(host->ctx, self);
	}
}
