/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sends UDP datagrams of many clients to a router as fast as one core can.
 *
 * Usage: bench-sender SENDER DEVICE FROM-MAC TO-MAC TO FIRST-CLIENT CLIENTS PORT STEP CPU SIZE
 *
 * SENDER is "raw" (a packet socket; DEVICE is the far end of the router's link) or "xdp" (frames that the kernel makes and
 * receives itself; DEVICE is the router's, and so is the network namespace). TO and FIRST-CLIENT are IPv4 or IPv6 addresses;
 * clients are CLIENTS addresses from FIRST-CLIENT on, each with one source port. STEP is how far apart successive senders
 * are; it has no divisor in common with CLIENTS, so that each has its turn before anyone has a second one. SIZE is that of a
 * frame with its check sequence, 64 to 1518; with IPv6 frames of 64 have 66.
 *
 * Prints "ready", or says why not and ends with status 3 where the kernel does not offer this way of sending. Commands on
 * standard input, one a line: "pass" sends one packet of each client, in ascending order; "run MILLISECONDS" sends about
 * so long, as many packets as that is by the last command's pace. Both print "sent PACKETS NANOSECONDS". Ends with its input.
 */
#define _GNU_SOURCE
#include "senders.h"

#include <errno.h>
#include <netinet/ether.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Nanoseconds for each packet, before any has been sent. */
enum { FIRST_GUESS = 1000 };

enum { FAILED = 1, WRONG_USAGE = 2, NOT_OFFERED = 3 };

static const struct sender *const senders[] = { &packet_socket, &live_frames };

uint64_t now_in_nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Sends and tells; returns nanoseconds for each packet. */
static uint64_t send_and_report(const struct sender *sender, struct position *position, uint32_t packets)
{
	uint64_t nanoseconds = 0;

	if (!sender->send(position, packets, &nanoseconds)) {
		fprintf(stderr, "bench-sender: %s: %s\n", sender->name, strerror(errno));
		exit(FAILED);
	}
	printf("sent %u %llu\n", packets, (unsigned long long)nanoseconds);
	fflush(stdout);
	return nanoseconds / packets + 1;
}

static void pin(int cpu)
{
	struct sched_param parameters = { .sched_priority = 1 };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set)) {
		fprintf(stderr, "bench-sender: core %d: %s\n", cpu, strerror(errno));
		exit(FAILED);
	}
	/* Keeps other work off the core while we measure. Where it is not allowed, the spread tells. */
	(void)sched_setscheduler(0, SCHED_FIFO, &parameters);
}

static const struct sender *sender_called(const char *name)
{
	for (size_t i = 0; i < sizeof senders / sizeof *senders; i++)
		if (!strcmp(senders[i]->name, name))
			return senders[i];
	return NULL;
}

static bool read_mac(const char *text, uint8_t *mac)
{
	struct ether_addr *address = ether_aton(text);

	if (address)
		memcpy(mac, address, sizeof *address);
	return address;
}

int main(int argc, char **argv)
{
	const struct sender *sender = argc == 12 ? sender_called(argv[1]) : NULL;
	uint8_t from_mac[6], to_mac[6];
	struct flows flows;
	struct position position = { 0 };
	uint64_t each = FIRST_GUESS;
	uint32_t clients;
	size_t size;
	char line[64];

	if (!sender || !read_mac(argv[3], from_mac) || !read_mac(argv[4], to_mac)) {
		fprintf(stderr, "usage: bench-sender raw|xdp DEVICE FROM-MAC TO-MAC TO FIRST-CLIENT CLIENTS PORT STEP CPU SIZE\n");
		return WRONG_USAGE;
	}
	clients = (uint32_t)strtoul(argv[7], NULL, 10);
	size = strtoul(argv[11], NULL, 10);
	if (!clients || clients > 1u << 24 || size < 64 || size > LONGEST_FRAME + CHECK_SEQUENCE ||
	    !describe_flows(&flows, argv[5], argv[6], clients, (uint16_t)atoi(argv[8]), to_mac, from_mac, size)) {
		fprintf(stderr, "bench-sender: two addresses of one family, 1 to 16777216 clients, frames of 64 to 1518, please\n");
		return WRONG_USAGE;
	}
	position.step = (uint32_t)strtoul(argv[9], NULL, 10) % clients;
	if (!sender->open(&flows, argv[2])) {
		fprintf(stderr, "bench-sender: %s on %s: %s\n", sender->name, argv[2], strerror(errno));
		return NOT_OFFERED;
	}
	pin(atoi(argv[10]));
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin)) {
		unsigned long milliseconds;

		if (!strcmp(line, "pass\n")) {
			struct position ascending = { 0, 1 % clients };

			each = send_and_report(sender, &ascending, clients);
		} else if (sscanf(line, "run %lu", &milliseconds) == 1) {
			each = send_and_report(sender, &position, (uint32_t)(milliseconds * 1000000u / each) + 1);
		}
	}
	return 0;
}
