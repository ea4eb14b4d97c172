/*
 * A server that says who it is, over TCP and UDP, IPv4 and IPv6, on many ports at once.
 *
 * Usage: echo-server NAME PORT|FIRST-LAST...
 *
 * Every line of a TCP connection, and every datagram, is answered with one line: "NAME CLIENT CLIENT-PORT LOCAL LOCAL-PORT TEXT",
 * where LOCAL is the address that the client spoke to (the ghost address, if all is well) and TEXT is what it said.
 * A datagram is answered from the address that it was sent to. Prints "ready" once it listens; ends with its standard input.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE = 2048, EVENTS = 256 };

enum kind { INPUT, LISTENER, DATAGRAMS, CONNECTION };

struct endpoint {
	enum kind kind;
	int fd;
	size_t filled;
	char line[];
};

static const char *server_name;
static int poller;

/* IPv4 addresses are written as such, though the sockets are IPv6 ones. */
static const char *address_text(const struct in6_addr *address, char *text)
{
	if (IN6_IS_ADDR_V4MAPPED(address))
		return inet_ntop(AF_INET, &address->s6_addr[12], text, INET6_ADDRSTRLEN);
	return inet_ntop(AF_INET6, address, text, INET6_ADDRSTRLEN);
}

static int compose(char *answer, size_t size, const struct sockaddr_in6 *client, const struct in6_addr *local, int port,
		   const char *text, size_t length)
{
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];

	return snprintf(answer, size, "%s %s %d %s %d %.*s\n", server_name, address_text(&client->sin6_addr, from),
			ntohs(client->sin6_port), address_text(local, to), port, (int)length, text);
}

static void watch(enum kind kind, int fd)
{
	struct endpoint *endpoint = malloc(sizeof *endpoint + (kind == CONNECTION ? LINE : 0));
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = endpoint };

	if (!endpoint)
		err(1, "malloc");
	*endpoint = (struct endpoint){ .kind = kind, .fd = fd };
	/* Standard input may be a file or /dev/null, which epoll refuses; then we run until a signal. */
	if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) && kind != INPUT)
		err(1, "epoll_ctl");
}

static int local_port(int fd, struct sockaddr_in6 *local)
{
	socklen_t size = sizeof *local;

	return getsockname(fd, (struct sockaddr *)local, &size) ? 0 : ntohs(local->sin6_port);
}

static void answer_datagram(struct endpoint *endpoint)
{
	char text[LINE], answer[LINE + 256];
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} control;
	struct sockaddr_in6 client, own;
	struct iovec vector = { text, sizeof text };
	struct msghdr message = { .msg_name = &client, .msg_namelen = sizeof client, .msg_iov = &vector, .msg_iovlen = 1,
				  .msg_control = &control, .msg_controllen = sizeof control };
	ssize_t length = recvmsg(endpoint->fd, &message, 0);
	struct cmsghdr *header = length < 0 ? NULL : CMSG_FIRSTHDR(&message);
	struct in6_pktinfo info;

	if (!header)
		return;
	memcpy(&info, CMSG_DATA(header), sizeof info);
	vector.iov_base = answer;
	vector.iov_len = (size_t)compose(answer, sizeof answer, &client, &info.ipi6_addr, local_port(endpoint->fd, &own), text,
					 (size_t)length);
	/* The address it came to becomes the source; the routing table, not the device it came by, picks the way back. */
	info.ipi6_ifindex = 0;
	memcpy(CMSG_DATA(header), &info, sizeof info);
	(void)sendmsg(endpoint->fd, &message, 0);
}

static int answer_lines(struct endpoint *connection)
{
	struct sockaddr_in6 client, own;
	socklen_t size = sizeof client;
	char *begin = connection->line, *end;
	ssize_t length = recv(connection->fd, connection->line + connection->filled, LINE - connection->filled, 0);

	if (length <= 0 || getpeername(connection->fd, (struct sockaddr *)&client, &size))
		return 0;
	connection->filled += (size_t)length;
	while ((end = memchr(begin, '\n', connection->filled - (size_t)(begin - connection->line)))) {
		char answer[LINE + 256];
		int port = local_port(connection->fd, &own);
		int answered = compose(answer, sizeof answer, &client, &own.sin6_addr, port, begin, (size_t)(end - begin));

		if (send(connection->fd, answer, (size_t)answered, MSG_NOSIGNAL) != answered)
			return 0;
		begin = end + 1;
	}
	connection->filled -= (size_t)(begin - connection->line);
	memmove(connection->line, begin, connection->filled);
	return connection->filled < LINE;
}

static void open_port(int port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	int stream = socket(AF_INET6, SOCK_STREAM, 0), datagrams = socket(AF_INET6, SOCK_DGRAM, 0);
	int off = 0, on = 1;

	if (stream < 0 || datagrams < 0)
		err(1, "socket");
	setsockopt(stream, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	setsockopt(datagrams, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	setsockopt(stream, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(datagrams, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
	if (bind(stream, (struct sockaddr *)&any, sizeof any) || bind(datagrams, (struct sockaddr *)&any, sizeof any) ||
	    listen(stream, 4096))
		err(1, "bind");
	watch(LISTENER, stream);
	watch(DATAGRAMS, datagrams);
}

static void serve(struct endpoint *endpoint)
{
	char ignored[256];
	int connection;

	switch (endpoint->kind) {
	case INPUT:
		if (read(endpoint->fd, ignored, sizeof ignored) <= 0)
			exit(0);
		break;
	case LISTENER:
		connection = accept(endpoint->fd, NULL, NULL);
		if (connection >= 0)
			watch(CONNECTION, connection);
		break;
	case DATAGRAMS:
		answer_datagram(endpoint);
		break;
	case CONNECTION:
		if (!answer_lines(endpoint)) {
			close(endpoint->fd);
			free(endpoint);
		}
	}
}

int main(int argc, char **argv)
{
	struct rlimit files = { 65536, 65536 };
	struct epoll_event events[EVENTS];

	if (argc < 3) {
		fprintf(stderr, "usage: echo-server NAME PORT|FIRST-LAST...\n");
		return 2;
	}
	server_name = argv[1];
	(void)setrlimit(RLIMIT_NOFILE, &files);
	poller = epoll_create1(0);
	watch(INPUT, STDIN_FILENO);
	for (int i = 2; i < argc; i++) {
		int first, last;
		int parts = sscanf(argv[i], "%d-%d", &first, &last);

		for (int port = first; parts && port <= (parts == 2 ? last : first); port++)
			open_port(port);
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		int count = epoll_wait(poller, events, EVENTS, -1);

		for (int i = 0; i < count; i++)
			serve(events[i].data.ptr);
	}
}
