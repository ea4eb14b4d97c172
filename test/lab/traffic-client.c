/*
 * Holds many TCP connections and UDP sockets of many client addresses at once.
 *
 * Commands on standard input, one a line; ID is a small number that the caller chooses, SOURCE-PORT 0 lets the kernel choose:
 *   tcp ID SOURCE SOURCE-PORT DESTINATION PORT    connects; "open ID" follows
 *   udp ID SOURCE SOURCE-PORT DESTINATION PORT    connects a datagram socket; "open ID" follows
 *   say ID TEXT                                   sends TEXT and a line feed; each line that comes back: "heard ID LINE"
 *   close ID                                      closes; nothing follows
 * A connection that fails, is refused, reset or closed by the other side ends with "broken ID REASON", REASON being the
 * name of the error, or EOF. For UDP, an ICMP error is reported likewise. SOURCE need not be configured on any device.
 * Ends with its standard input.
 */
#define _GNU_SOURCE
#include "client-socket.h"
#include "command-lines.h"
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

enum { LINE = 4096, EVENTS = 256, MOST = 65536 };

struct conversation {
	int fd;
	int connected;
	int datagrams;
	size_t filled;
	char line[LINE];
};

static struct conversation *conversations[MOST];
static int poller;

static void forget(unsigned id)
{
	if (!conversations[id])
		return;
	close(conversations[id]->fd);
	free(conversations[id]);
	conversations[id] = NULL;
}

static void broken(unsigned id, const char *reason)
{
	printf("broken %u %s\n", id, reason);
	forget(id);
}

static void open_conversation(int type, unsigned id, const char *source, unsigned source_port, const char *destination,
			      unsigned port)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.u32 = id };
	struct conversation *conversation = calloc(1, sizeof *conversation);

	if (!conversation)
		err(1, "calloc");
	forget(id);
	conversation->datagrams = type == SOCK_DGRAM;
	conversation->fd = connect_from(type, source, source_port, destination, port);
	if (conversation->fd < 0) {
		free(conversation);
		printf("broken %u %s\n", id, strerrorname_np(errno));
		return;
	}
	conversations[id] = conversation;
	if (epoll_ctl(poller, EPOLL_CTL_ADD, conversation->fd, &event))
		err(1, "epoll_ctl");
}

static void say(unsigned id, const char *text)
{
	struct conversation *conversation = conversations[id];
	char line[LINE];
	int length = snprintf(line, sizeof line, "%s\n", text);

	if (!conversation)
		printf("broken %u ENOTCONN\n", id);
	else if (send(conversation->fd, line, (size_t)length, MSG_NOSIGNAL) != length)
		broken(id, strerrorname_np(errno));
}

static void hear(unsigned id)
{
	struct conversation *conversation = conversations[id];
	char *begin = conversation->line, *end;
	ssize_t length = recv(conversation->fd, begin + conversation->filled, LINE - conversation->filled, 0);

	if (length < 0) {
		if (errno != EAGAIN)
			broken(id, strerrorname_np(errno));
		return;
	}
	if (length == 0 && !conversation->datagrams) {
		broken(id, "EOF");
		return;
	}
	conversation->filled += (size_t)length;
	while ((end = memchr(begin, '\n', conversation->filled - (size_t)(begin - conversation->line)))) {
		printf("heard %u %.*s\n", id, (int)(end - begin), begin);
		begin = end + 1;
	}
	conversation->filled -= (size_t)(begin - conversation->line);
	memmove(conversation->line, begin, conversation->filled);
	if (conversation->datagrams || conversation->filled == LINE)
		conversation->filled = 0;
}

static void finish_connect(unsigned id)
{
	struct conversation *conversation = conversations[id];
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = id };
	int error = 0;
	socklen_t size = sizeof error;

	getsockopt(conversation->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error) {
		broken(id, strerrorname_np(error));
		return;
	}
	conversation->connected = 1;
	epoll_ctl(poller, EPOLL_CTL_MOD, conversation->fd, &event);
	printf("open %u\n", id);
}

static void obey(char *command)
{
	char kind[8], source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
	unsigned id, source_port, port;
	int text = 0;

	if (sscanf(command, "%7s %u %n", kind, &id, &text) < 2 || id >= MOST)
		fprintf(stderr, "traffic-client: not understood: %s\n", command);
	else if (!strcmp(kind, "say"))
		say(id, command + text);
	else if (!strcmp(kind, "close"))
		forget(id);
	else if (sscanf(command + text, "%45s %u %45s %u", source, &source_port, destination, &port) == 4)
		open_conversation(strcmp(kind, "udp") ? SOCK_STREAM : SOCK_DGRAM, id, source, source_port, destination, port);
	else
		fprintf(stderr, "traffic-client: not understood: %s\n", command);
}

int main(void)
{
	struct rlimit files = { MOST, MOST };
	struct epoll_event events[EVENTS], input = { .events = EPOLLIN, .data.u32 = MOST };

	(void)setrlimit(RLIMIT_NOFILE, &files);
	poller = epoll_create1(0);
	if (epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &input))
		err(1, "standard input");
	for (;;) {
		int count = epoll_wait(poller, events, EVENTS, -1);

		for (int i = 0; i < count; i++) {
			unsigned id = events[i].data.u32;

			if (id == MOST) {
				if (!obey_all(obey))
					return 0;
			} else if (conversations[id] && !conversations[id]->connected) {
				finish_connect(id);
			} else if (conversations[id]) {
				hear(id);
			}
		}
		fflush(stdout);
	}
}
