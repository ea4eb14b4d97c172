/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sends IPv4 packets of one address to another a second time, later: what a device has sent goes out there again, from another
 * hardware address, by which whoever receives it can tell the two apart and do without the first. A queueing discipline would
 * do this, but not every kernel has netem.
 *
 * Usage: delay DEVICE SOURCE DESTINATION MILLISECONDS MAC
 *
 * Prints "ready" when it sees every packet. Ends with its standard input.
 */
#define _GNU_SOURCE
#include "monotonic-clock.h"
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LONGEST = 2048, WAITING = 4096 };

struct held {
	double due;
	size_t length;
	unsigned char frame[LONGEST];
};

static struct held ring[WAITING];
static unsigned first, count;

static int open_device(const char *device)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	address.sll_ifindex = (int)if_nametoindex(device);
	if (fd < 0 || !address.sll_ifindex || bind(fd, (struct sockaddr *)&address, sizeof address))
		err(1, "%s", device);
	return fd;
}

/* That of UDP has been left to the device, which does not do it for a copy; 0 is none (RFC 768). */
static void forget_checksum(unsigned char *packet, const struct iphdr *header, size_t length)
{
	size_t offset = header->ihl * 4u + 6;

	if (header->protocol == IPPROTO_UDP && !(ntohs(header->frag_off) & 0x1fff) && offset + 2 <= length)
		memset(packet + offset, 0, 2);
}

static void take(int fd, in_addr_t source, in_addr_t destination, double delay, const struct ether_addr *mac)
{
	for (;;) {
		struct held *held = &ring[(first + count) % WAITING];
		struct sockaddr_ll from;
		socklen_t size = sizeof from;
		struct iphdr header;
		ssize_t length = recvfrom(fd, held->frame, LONGEST, MSG_TRUNC, (struct sockaddr *)&from, &size);

		if (length < 0 && errno == EAGAIN)
			return;
		if (length < 0)
			err(1, "recvfrom");
		if (from.sll_pkttype != PACKET_OUTGOING || ntohs(from.sll_protocol) != ETH_P_IP ||
		    (size_t)length < ETH_HLEN + sizeof header || !memcmp(held->frame + ETH_ALEN, mac, ETH_ALEN))
			continue;
		memcpy(&header, held->frame + ETH_HLEN, sizeof header);
		if (header.saddr != source || header.daddr != destination)
			continue;
		if (length > LONGEST || count == WAITING - 1) {
			errno = ENOBUFS;
			err(1, "too much at once");
		}
		memcpy(held->frame + ETH_ALEN, mac, ETH_ALEN);
		forget_checksum(held->frame + ETH_HLEN, &header, (size_t)length - ETH_HLEN);
		held->length = (size_t)length;
		held->due = now() + delay;
		count++;
	}
}

static void send_due(int fd)
{
	while (count > 0 && ring[first].due <= now()) {
		/* A device that is down loses packets, as a cable that is cut does. */
		if (send(fd, ring[first].frame, ring[first].length, 0) < 0 && errno != ENETDOWN)
			err(1, "send");
		first = (first + 1) % WAITING;
		count--;
	}
}

int main(int argc, char **argv)
{
	struct in_addr source, destination;
	struct ether_addr mac;
	struct pollfd ends[2] = { { .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };
	char ignored[64];

	if (argc != 6 || inet_pton(AF_INET, argv[2], &source) != 1 || inet_pton(AF_INET, argv[3], &destination) != 1 ||
	    !ether_aton_r(argv[5], &mac)) {
		fprintf(stderr, "usage: delay DEVICE SOURCE DESTINATION MILLISECONDS MAC\n");
		return 2;
	}
	ends[0].fd = open_device(argv[1]);
	if (puts("ready") < 0 || fflush(stdout))
		err(1, "standard output");
	for (;;) {
		double left = count > 0 ? ring[first].due - now() : 1000;

		if (poll(ends, 2, left < 0 ? 0 : (int)left + 1) < 0)
			err(1, "poll");
		if (ends[1].revents && read(STDIN_FILENO, ignored, sizeof ignored) <= 0)
			return 0;
		if (ends[0].revents)
			take(ends[0].fd, source.s_addr, destination.s_addr, atof(argv[4]), &mac);
		send_due(ends[0].fd);
	}
}
