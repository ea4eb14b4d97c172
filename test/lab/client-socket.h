/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets of clients whose addresses need not be configured on any device: one namespace plays thousands of clients.
 * Included by programs of one file each.
 */
#ifndef CLIENT_SOCKET_H
#define CLIENT_SOCKET_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

union endpoint {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t read_endpoint(union endpoint *endpoint, const char *text, unsigned port)
{
	*endpoint = (union endpoint){ 0 };
	if (inet_pton(AF_INET, text, &endpoint->v4.sin_addr) == 1) {
		endpoint->v4.sin_family = AF_INET;
		endpoint->v4.sin_port = htons((uint16_t)port);
		return sizeof endpoint->v4;
	}
	if (inet_pton(AF_INET6, text, &endpoint->v6.sin6_addr) != 1)
		return 0;
	endpoint->v6.sin6_family = AF_INET6;
	endpoint->v6.sin6_port = htons((uint16_t)port);
	return sizeof endpoint->v6;
}

static int prepare_socket(int fd, int type, int family)
{
	int on = 1;

	if (family == AF_INET ? setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof on)
			      : setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof on))
		return -1;
	if (type == SOCK_DGRAM)
		return 0;
	/* The port is chosen when the destination is known: tens of thousands of clients share the range. */
	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on))
		return -1;
	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
}

/* Begins to connect without waiting; the kernel chooses source port 0. Returns the socket, or -1 with `errno`. */
static int connect_from(int type, const char *source, unsigned source_port, const char *destination, unsigned port)
{
	union endpoint from, to;
	socklen_t from_size = read_endpoint(&from, source, source_port), to_size = read_endpoint(&to, destination, port);
	int fd, reason;

	if (!from_size || from_size != to_size) {
		errno = EINVAL;
		return -1;
	}
	fd = socket(to.any.sa_family, type | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (!prepare_socket(fd, type, to.any.sa_family) && !bind(fd, &from.any, from_size) &&
	    (!connect(fd, &to.any, to_size) || errno == EINPROGRESS))
		return fd;
	reason = errno;
	(void)close(fd);
	errno = reason;
	return -1;
}

#endif
