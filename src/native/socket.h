/* Sockets. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ONEIP_SOCKET_H
#define ONEIP_SOCKET_H

#include <sys/socket.h>

#include "loop.h"

struct socket {
	struct watch watch; /* of the socket; fd is -1 once closed */
	int domain;
	int type;
	struct list_head link;
	/* The Socket object while it has a callback, so that it is not collected; else undefined. */
	JSValue self;
	JSValue on_readable;
	JSValue on_writable;
};

/* The open socket behind `this`; NULL where it threw: TypeError where it is none, EBADF where it is closed. */
struct socket *socket_of(JSContext *ctx, JSValueConst value);
/* Makes a Socket of a descriptor, which it takes over, also where it fails. */
JSValue socket_wrap(JSContext *ctx, int fd, int domain, int type);

/* Reads a SocketAddress of the given domain; false where it threw. */
bool socket_address_read(JSContext *ctx, JSValueConst value, int domain, struct sockaddr_storage *address,
			 socklen_t *length);
/* The opposite. */
JSValue socket_address_new(JSContext *ctx, const struct sockaddr_storage *address, socklen_t length);

/* The methods, by what they do. */
extern const JSCFunctionListEntry socket_io_methods[];
extern const int socket_io_method_count;
extern const JSCFunctionListEntry socket_option_methods[];
extern const int socket_option_method_count;

int socket_exports(JSContext *ctx, JSModuleDef *module);
int socket_init(JSContext *ctx, JSModuleDef *module);
/* Takes the callbacks away from all sockets. */
void sockets_free(struct host *host);

#endif
