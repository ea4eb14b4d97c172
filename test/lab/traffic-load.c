/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clients that live on: TCP connections and UDP flows that ask their server again and again who it is, and notice when
 * somebody else answers, or nobody; beside them a stream of new connections with one question each.
 *
 * Commands on standard input, one a line; ID is a small number that the caller chooses:
 *   hold ID tcp|udp SOURCE DESTINATION PORT PERIOD   opens a flow that asks every PERIOD milliseconds
 *   drop ID                                          closes it; nothing is told of it any more
 *   origin SOURCE DESTINATION PORT                   where new connections come from and go to, by turns
 *   rate N                                           new connections a second, 0 (the default) to 1000
 *   patience N                                       milliseconds without an answer after which a flow counts as silent
 * The servers are `echo-server`. What happens is printed as lines of JSON, with `time` in milliseconds of CLOCK_MONOTONIC:
 *   {"event":"open","time":T,"flow":ID,"server":NAME}              the first answer
 *   {"event":"broken","time":T,"flow":ID,"reason":R,"began":T,"good":T,"server":NAME,"asked":T,"by":NAME}
 *       the flow has ended; `good` is when it was answered last, "server" the one that it had, both 0 and "" where it never was;
 *       where another one has answered that is "by", and the question was asked at "asked"
 *   {"event":"lost","time":T,"since":T,"good":T,"flow":ID,"server":NAME}   a datagram of "since" has not been answered, though a
 *       later one was; told after a second, since answers may come in another order. "server" as above, "" for one from before
 *       the first answer; "good" is when there had been an answer last, 0 for none
 *   {"event":"new","time":T,"began":T,"server":NAME}               a new connection was answered
 *   {"event":"new","time":T,"began":T,"source":S,"reason":R}       a new connection has failed
 * R is the name of an error (ECONNRESET, ECONNREFUSED), EOF, SILENT, or MOVED where another server has answered.
 * Ends with its standard input.
 */
#define _GNU_SOURCE
#include "client-socket.h"
#include "command-lines.h"
#include "monotonic-clock.h"
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

enum { LINE = 512, NAME = 64, EVENTS = 256, HELD = 4096, MOST = 8192, ORIGINS = 1024, TICK = 5, STALL = 50,
       /* Questions of a flow that are remembered, and milliseconds until an answer is late. */
       WINDOW = 64, LATE = 1000 };

struct origin {
	char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
	unsigned port;
};

/* A number below HELD belongs to a flow of the caller's, one from there on to a new connection. */
struct flow {
	int fd;
	/* Why there is no socket. */
	int error;
	/* Tells a flow from an earlier one of the same number, of which events may still be under way. */
	uint32_t generation;
	int datagrams;
	int connected;
	double period;
	double began;
	/* When the last answer came; 0: never. */
	double good;
	/* When the first question was asked that has no answer yet; 0: there is none. */
	double waiting;
	double next;
	/* Numbers of questions from 1 on: the last one, the last one that was answered, and the first one that was. */
	unsigned question, answered, first;
	/* When datagrams were sent, by their number, the last answer before that, and which of these have not been answered. */
	double asked[WINDOW], good_before[WINDOW];
	uint64_t open;
	const struct origin *origin;
	char server[NAME];
	size_t filled;
	char line[LINE];
};

static struct flow *flows[MOST];
static struct origin origins[ORIGINS];
static unsigned origin_count, next_origin, next_new = HELD;
static double patience = 3000, gap, next_opening;
static int poller;

static uint64_t event_data(unsigned id, const struct flow *flow)
{
	return id | (uint64_t)flow->generation << 32;
}

static void forget(unsigned id)
{
	if (!flows[id])
		return;
	if (flows[id]->fd >= 0 && close(flows[id]->fd))
		err(1, "close");
	free(flows[id]);
	flows[id] = NULL;
}

static void broken_by(unsigned id, const char *reason, double asked, const char *by)
{
	const struct flow *flow = flows[id];

	if (flow->origin)
		printf("{\"event\":\"new\",\"time\":%.3f,\"began\":%.3f,\"source\":\"%s\",\"reason\":\"%s\"}\n", now(), flow->began,
		       flow->origin->source, reason);
	else
		printf("{\"event\":\"broken\",\"time\":%.3f,\"flow\":%u,\"reason\":\"%s\",\"began\":%.3f,\"good\":%.3f,"
		       "\"server\":\"%s\",\"asked\":%.3f,\"by\":\"%s\"}\n",
		       now(), id, reason, flow->began, flow->good, flow->server, asked, by);
	forget(id);
}

static void broken(unsigned id, const char *reason)
{
	broken_by(id, reason, 0, "");
}

static struct flow *open_flow(unsigned id, int type, const char *source, const char *destination, unsigned port)
{
	static uint32_t generation;
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT };
	struct flow *flow = calloc(1, sizeof *flow);

	if (!flow)
		err(1, "calloc");
	forget(id);
	flows[id] = flow;
	flow->datagrams = type == SOCK_DGRAM;
	flow->began = now();
	flow->next = flow->began;
	flow->generation = ++generation;
	event.data.u64 = event_data(id, flow);
	flow->fd = connect_from(type, source, 0, destination, port);
	flow->error = flow->fd < 0 ? errno : 0;
	if (flow->fd >= 0 && epoll_ctl(poller, EPOLL_CTL_ADD, flow->fd, &event))
		err(1, "epoll_ctl");
	return flow;
}

static void ask(unsigned id, double time)
{
	struct flow *flow = flows[id];
	char line[32];
	/* A datagram is answered as a whole, line feed and all. */
	int length = snprintf(line, sizeof line, flow->datagrams ? "%u" : "%u\n", ++flow->question);

	if (!flow->waiting)
		flow->waiting = time;
	flow->asked[flow->question % WINDOW] = time;
	flow->good_before[flow->question % WINDOW] = flow->good;
	flow->open |= UINT64_C(1) << flow->question % WINDOW;
	if (send(flow->fd, line, (size_t)length, MSG_NOSIGNAL) != length)
		broken(id, strerrorname_np(errno));
}

/* True where the flow goes on. */
static int take_answer(unsigned id, const char *line)
{
	struct flow *flow = flows[id];
	char server[NAME];
	unsigned question;
	double time = now();

	if (sscanf(line, "%63s %*s %*u %*s %*u %u", server, &question) != 2 || question > flow->question) {
		broken(id, "EBADMSG");
		return 0;
	}
	if (flow->origin) {
		printf("{\"event\":\"new\",\"time\":%.3f,\"began\":%.3f,\"server\":\"%s\"}\n", time, flow->began, server);
		forget(id);
		return 0;
	}
	/* Whoever had the flow before anybody answered may answer at any time. */
	flow->open &= ~(UINT64_C(1) << question % WINDOW);
	if (question < flow->first)
		return 1;
	if (!flow->server[0]) {
		(void)snprintf(flow->server, sizeof flow->server, "%s", server);
		flow->first = question;
		printf("{\"event\":\"open\",\"time\":%.3f,\"flow\":%u,\"server\":\"%s\"}\n", time, id, server);
	} else if (strcmp(flow->server, server)) {
		broken_by(id, "MOVED", flow->asked[question % WINDOW], server);
		return 0;
	}
	if (question < flow->answered)
		return 1;
	flow->good = time;
	flow->answered = question;
	if (question == flow->question)
		flow->waiting = 0;
	return 1;
}

static void hear(unsigned id)
{
	struct flow *flow = flows[id];
	ssize_t length = recv(flow->fd, flow->line + flow->filled, LINE - 1 - flow->filled, 0);
	char *begin = flow->line, *end;

	if (length < 0) {
		if (errno != EAGAIN)
			broken(id, strerrorname_np(errno));
		return;
	}
	if (length == 0 && !flow->datagrams) {
		broken(id, "EOF");
		return;
	}
	flow->filled += (size_t)length;
	while ((end = memchr(begin, '\n', flow->filled - (size_t)(begin - flow->line)))) {
		*end = '\0';
		if (!take_answer(id, begin))
			return;
		begin = end + 1;
	}
	flow->filled -= (size_t)(begin - flow->line);
	memmove(flow->line, begin, flow->filled);
	if (flow->datagrams || flow->filled == LINE - 1)
		flow->filled = 0;
}

static void finish_connect(unsigned id)
{
	struct flow *flow = flows[id];
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = event_data(id, flow) };
	int error = 0;
	socklen_t size = sizeof error;

	if (getsockopt(flow->fd, SOL_SOCKET, SO_ERROR, &error, &size) || epoll_ctl(poller, EPOLL_CTL_MOD, flow->fd, &event))
		err(1, "connect");
	if (error) {
		broken(id, strerrorname_np(error));
		return;
	}
	flow->connected = 1;
	flow->next = now() + flow->period;
	ask(id, now());
}

/* Tells of datagrams that are not answered any more. Those before the first answer are nobody's. */
static void tell_losses(unsigned id, double time)
{
	struct flow *flow = flows[id];
	unsigned question = flow->answered > WINDOW ? flow->answered - WINDOW + 1 : 1;

	for (; question < flow->answered; question++) {
		uint64_t bit = UINT64_C(1) << question % WINDOW;
		double asked = flow->asked[question % WINDOW];

		if (!(flow->open & bit) || time - asked < LATE)
			continue;
		flow->open &= ~bit;
		printf("{\"event\":\"lost\",\"time\":%.3f,\"since\":%.3f,\"good\":%.3f,\"flow\":%u,\"server\":\"%s\"}\n", time, asked,
		       flow->good_before[question % WINDOW], id, question < flow->first ? "" : flow->server);
	}
}

/* What is due of one flow. */
static void attend(unsigned id, double time)
{
	struct flow *flow = flows[id];
	double since = flow->connected ? flow->waiting : flow->began;

	if (flow->datagrams && flow->open)
		tell_losses(id, time);
	if (flow->fd < 0) {
		broken(id, strerrorname_np(flow->error));
	} else if (since && time - since > patience) {
		broken(id, "SILENT");
	} else if (flow->connected && !flow->origin && time >= flow->next) {
		flow->next += flow->period;
		/* One question at a time: TCP repeats it by itself. */
		if (flow->datagrams || !flow->waiting)
			ask(id, time);
	}
}

static void open_new(double time)
{
	if (!gap || !origin_count)
		return;
	for (; time >= next_opening; next_opening += gap) {
		const struct origin *origin = &origins[next_origin++ % origin_count];

		if (flows[next_new]) {
			errno = ENOSPC;
			err(1, "new connections");
		}
		open_flow(next_new, SOCK_STREAM, origin->source, origin->destination, origin->port)->origin = origin;
		next_new = next_new + 1 < MOST ? next_new + 1 : HELD;
	}
}

static void obey(char *command)
{
	char kind[4], source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
	unsigned id, port, number;

	if (sscanf(command, "hold %u %3s %45s %45s %u %u", &id, kind, source, destination, &port, &number) == 6 && id < HELD) {
		open_flow(id, strcmp(kind, "udp") ? SOCK_STREAM : SOCK_DGRAM, source, destination, port)->period = number;
	} else if (sscanf(command, "drop %u", &id) == 1 && id < HELD) {
		forget(id);
	} else if (sscanf(command, "rate %u", &number) == 1 && number <= 1000) {
		gap = number ? 1e3 / number : 0;
		next_opening = now();
	} else if (sscanf(command, "patience %u", &number) == 1) {
		patience = number;
	} else if (origin_count < ORIGINS && sscanf(command, "origin %45s %45s %u", origins[origin_count].source,
						    origins[origin_count].destination, &origins[origin_count].port) == 3) {
		origin_count++;
	} else {
		fprintf(stderr, "traffic-load: not understood: %s\n", command);
	}
}

/* Tells where this program was not given a processor: what it finds then may have happened long ago. */
static double tell_stall(double since)
{
	double time = now();

	if (time - since > STALL)
		printf("{\"event\":\"stall\",\"since\":%.3f,\"time\":%.3f}\n", since, time);
	return time;
}

int main(void)
{
	struct rlimit files = { MOST + 64, MOST + 64 };
	struct epoll_event events[EVENTS], input = { .events = EPOLLIN, .data.u64 = MOST };
	double turn = now();

	if (setrlimit(RLIMIT_NOFILE, &files))
		err(1, "setrlimit");
	poller = epoll_create1(0);
	if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &input))
		err(1, "standard input");
	for (;;) {
		int count = epoll_wait(poller, events, EVENTS, TICK);
		double time;

		if (count < 0 && errno != EINTR)
			err(1, "epoll_wait");
		turn = tell_stall(turn);
		for (int i = 0; i < count; i++) {
			unsigned id = (uint32_t)events[i].data.u64;
			const struct flow *flow = id == MOST ? NULL : flows[id];

			if (id == MOST) {
				if (!obey_all(obey))
					return 0;
			} else if (flow && event_data(id, flow) == events[i].data.u64) {
				(flow->connected ? hear : finish_connect)(id);
			}
		}
		time = now();
		for (unsigned id = 0; id < MOST; id++)
			if (flows[id])
				attend(id, time);
		open_new(time);
		if (fflush(stdout))
			return 1;
	}
}
