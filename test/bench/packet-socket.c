/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sends through a packet socket on the far end of the router's link, past the queueing discipline. Each packet costs a copy
 * from user space, an allocation, and the way through the veth pair to the router's backlog.
 */
#define _GNU_SOURCE
#include "senders.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Frames begin two bytes into their buffers, so that the headers behind Ethernet's 14 bytes are aligned. */
enum { BATCH = 64, ALIGN = 2 };

static struct {
	int fd;
	const struct flows *flows;
	_Alignas(4) uint8_t frames[BATCH][LONGEST_FRAME + ALIGN];
	struct iovec vectors[BATCH];
	struct mmsghdr messages[BATCH];
} self;

static bool open_socket(const struct flows *flows, const char *device)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET };
	int one = 1;

	self.flows = flows;
	for (int i = 0; i < BATCH; i++) {
		memcpy(self.frames[i] + ALIGN, flows->frame, flows->length);
		self.vectors[i] = (struct iovec){ self.frames[i] + ALIGN, flows->length };
		self.messages[i].msg_hdr = (struct msghdr){ .msg_iov = &self.vectors[i], .msg_iovlen = 1 };
	}
	self.fd = socket(AF_PACKET, SOCK_RAW, 0);
	address.sll_ifindex = (int)if_nametoindex(device);
	return self.fd >= 0 && address.sll_ifindex && !bind(self.fd, (struct sockaddr *)&address, sizeof address) &&
	       !setsockopt(self.fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
}

static bool send_batch(unsigned count)
{
	unsigned done = 0;

	while (done < count) {
		int sent = sendmmsg(self.fd, self.messages + done, count - done, 0);

		if (sent < 0) {
			/* ENOBUFS: the far end of the veth has dropped one; it counts as offered, as on a wire. */
			if (errno != ENOBUFS && errno != EINTR)
				return false;
			sent = errno == ENOBUFS;
		}
		done += (unsigned)sent;
	}
	return true;
}

static bool send_packets(struct position *position, uint32_t packets, uint64_t *nanoseconds)
{
	uint64_t begin = now_in_nanoseconds();

	while (packets) {
		unsigned count = packets < BATCH ? packets : BATCH;

		for (unsigned i = 0; i < count; i++)
			write_frame(self.flows, position, self.frames[i] + ALIGN);
		if (!send_batch(count))
			return false;
		packets -= count;
	}
	*nanoseconds += now_in_nanoseconds() - begin;
	return true;
}

const struct sender packet_socket = {
	.name = "raw",
	.open = open_socket,
	.send = send_packets,
};
