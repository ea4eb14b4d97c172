/*
 * Writes down the packets that a device receives and sends, and counts what the kernel lost for us.
 *
 * Usage: capture DEVICE
 *
 * One line a packet: "in|out PACKET-TYPE DESTINATION-MAC SOURCE-MAC PROTOCOL LENGTH HEX", where PACKET-TYPE is the kernel's
 * (0 host, 1 broadcast, 2 multicast, 3 other host, 4 outgoing), PROTOCOL the EtherType in hex, LENGTH the whole packet
 * behind the link-layer header, and HEX its first bytes. Devices without Ethernet headers have "-" for MACs. Commands on
 * standard input: "flush" writes down all that has been seen so far and answers "flushed LOST". Ends with its input.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { KEPT = 160, BUFFER = 8 << 20 };

static void print_mac(const uint8_t *mac)
{
	printf(" %02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

/* Writes down one waiting packet; false where none waits. */
static int write_down(int fd)
{
	uint8_t frame[ETH_HLEN + KEPT];
	struct sockaddr_ll from;
	socklen_t size = sizeof from;
	ssize_t whole = recvfrom(fd, frame, sizeof frame, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&from, &size);
	size_t header = from.sll_hatype == ARPHRD_ETHER || from.sll_hatype == ARPHRD_LOOPBACK ? ETH_HLEN : 0;
	size_t seen = whole < 0 ? 0 : (size_t)whole < sizeof frame ? (size_t)whole : sizeof frame;

	if (whole < 0)
		return 0;
	if (seen < header)
		return 1;
	printf("%s %d", from.sll_pkttype == PACKET_OUTGOING ? "out" : "in", from.sll_pkttype);
	if (header) {
		print_mac(frame);
		print_mac(frame + ETH_ALEN);
	} else {
		printf(" - -");
	}
	printf(" %04x %zd ", ntohs(from.sll_protocol), whole - (ssize_t)header);
	for (size_t i = header; i < seen; i++)
		printf("%02x", frame[i]);
	putchar('\n');
	return 1;
}

static void flush(int fd)
{
	static unsigned long lost;
	struct tpacket_stats statistics = { 0 };
	socklen_t size = sizeof statistics;

	while (write_down(fd))
		;
	getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &statistics, &size);
	lost += statistics.tp_drops;
	printf("flushed %lu\n", lost);
}

int main(int argc, char **argv)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	struct pollfd watched[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .events = POLLIN } };
	int fd, room = BUFFER;
	char command[64];

	if (argc != 2) {
		fprintf(stderr, "usage: capture DEVICE\n");
		return 2;
	}
	/* Protocol 0 until bound: packets of other devices shall not slip in. */
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	address.sll_ifindex = (int)if_nametoindex(argv[1]);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
	if (fd < 0 || !address.sll_ifindex || bind(fd, (struct sockaddr *)&address, sizeof address))
		err(1, "%s", argv[1]);
	watched[1].fd = fd;
	puts("ready");
	for (;;) {
		fflush(stdout);
		if (poll(watched, 2, -1) < 0)
			err(1, "poll");
		if (watched[1].revents)
			while (write_down(fd))
				;
		if (watched[0].revents) {
			ssize_t length = read(STDIN_FILENO, command, sizeof command);

			if (length <= 0)
				return 0;
			/* Each line is one "flush"; several may wait. */
			for (ssize_t i = 0; i < length; i++)
				if (command[i] == '\n')
					flush(fd);
		}
	}
}
