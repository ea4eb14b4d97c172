/*
 * Sends UDP datagrams of many clients through a packet socket as fast as one core can, bypassing the queueing discipline.
 *
 * Usage: bench-sender DEVICE ROUTER-MAC GHOST FIRST-CLIENT CLIENTS PORT CPU
 *
 * GHOST and FIRST-CLIENT are IPv4 or IPv6 addresses; clients are CLIENTS addresses from FIRST-CLIENT on (for IPv6, one in
 * each successive /64), each with one source port, taken in turn. Frames are as short as the family allows: 60 bytes for IPv4, 62 for IPv6. Commands on standard
 * input, one a line: "run MILLISECONDS" sends for so long and prints "sent PACKETS NANOSECONDS". Ends with its input.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* Frames begin two bytes into their buffers, so that the headers behind Ethernet's 14 bytes are aligned. */
enum { BATCH = 64, ALIGN = 2, FRAME = 64, PAYLOAD_V4 = 18 };

struct sender {
	int fd;
	int family;
	uint8_t ghost[16];
	uint8_t first_client[16];
	uint32_t clients, next;
	size_t length;
	_Alignas(4) uint8_t frames[BATCH][FRAME + 4];
	struct iovec vectors[BATCH];
	struct mmsghdr messages[BATCH];
};

static void fail(const char *what)
{
	fprintf(stderr, "bench-sender: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint16_t checksum(const uint8_t *data, size_t length, uint32_t sum)
{
	for (size_t i = 0; i + 1 < length; i += 2)
		sum += (uint32_t)data[i] << 8 | data[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* IPv4 addresses count up by one, IPv6 ones by a /64, as each household has its own. */
static void put_client(const struct sender *s, uint8_t *where)
{
	size_t width = s->family == AF_INET ? 4 : 16;
	size_t counted = s->family == AF_INET ? 0 : 4;
	uint32_t number;

	memcpy(where, s->first_client, width);
	memcpy(&number, where + counted, 4);
	number = htonl(ntohl(number) + s->next);
	memcpy(where + counted, &number, 4);
}

static uint16_t source_port(uint32_t client)
{
	return htons((uint16_t)(1024 + client * 7919u % 60000u));
}

static void finish_frame_v4(struct sender *s, uint8_t *frame)
{
	struct iphdr *ip = (struct iphdr *)(frame + ETH_HLEN);
	struct udphdr *udp = (struct udphdr *)(ip + 1);

	put_client(s, (uint8_t *)&ip->saddr);
	ip->check = 0;
	ip->check = checksum((const uint8_t *)ip, sizeof *ip, 0);
	udp->source = source_port(s->next);
}

static void finish_frame_v6(struct sender *s, uint8_t *frame)
{
	struct ip6_hdr *ip = (struct ip6_hdr *)(frame + ETH_HLEN);
	struct udphdr *udp = (struct udphdr *)(ip + 1);

	put_client(s, (uint8_t *)&ip->ip6_src);
	udp->source = source_port(s->next);
	udp->check = 0;
	udp->check = checksum((const uint8_t *)&ip->ip6_src, 32 + sizeof *udp, IPPROTO_UDP + sizeof *udp);
}

static void prepare_frame(struct sender *s, uint8_t *frame, const uint8_t *own, const uint8_t *router, uint16_t port)
{
	struct ether_header *ether = (struct ether_header *)frame;
	struct udphdr *udp;

	memcpy(ether->ether_dhost, router, ETH_ALEN);
	memcpy(ether->ether_shost, own, ETH_ALEN);
	if (s->family == AF_INET) {
		struct iphdr *ip = (struct iphdr *)(ether + 1);

		ether->ether_type = htons(ETHERTYPE_IP);
		ip->version = 4;
		ip->ihl = 5;
		ip->ttl = 64;
		ip->protocol = IPPROTO_UDP;
		ip->tot_len = htons(sizeof *ip + sizeof *udp + PAYLOAD_V4);
		memcpy(&ip->daddr, s->ghost, 4);
		udp = (struct udphdr *)(ip + 1);
		udp->len = htons(sizeof *udp + PAYLOAD_V4);
		s->length = ETH_HLEN + sizeof *ip + sizeof *udp + PAYLOAD_V4;
	} else {
		struct ip6_hdr *ip = (struct ip6_hdr *)(ether + 1);

		ether->ether_type = htons(ETHERTYPE_IPV6);
		ip->ip6_flow = htonl(6u << 28);
		ip->ip6_plen = htons(sizeof *udp);
		ip->ip6_nxt = IPPROTO_UDP;
		ip->ip6_hlim = 64;
		memcpy(&ip->ip6_dst, s->ghost, 16);
		udp = (struct udphdr *)(ip + 1);
		udp->len = htons(sizeof *udp);
		s->length = ETH_HLEN + sizeof *ip + sizeof *udp;
	}
	udp->dest = htons(port);
}

static uint64_t nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void send_batch(struct sender *s)
{
	int done = 0;

	for (int i = 0; i < BATCH; i++) {
		if (s->family == AF_INET)
			finish_frame_v4(s, s->frames[i] + ALIGN);
		else
			finish_frame_v6(s, s->frames[i] + ALIGN);
		if (++s->next == s->clients)
			s->next = 0;
	}
	while (done < BATCH) {
		int sent = sendmmsg(s->fd, s->messages + done, (unsigned)(BATCH - done), 0);

		if (sent < 0) {
			/* ENOBUFS: the far end of the veth has dropped one; it counts as offered, as on a wire. */
			if (errno != ENOBUFS && errno != EINTR)
				fail("sendmmsg");
			sent = errno == ENOBUFS;
		}
		done += sent;
	}
}

static void send_for(struct sender *s, uint64_t duration)
{
	uint64_t begin = nanoseconds(), now = begin, packets = 0;

	while (now - begin < duration) {
		for (int i = 0; i < 16; i++)
			send_batch(s);
		packets += 16 * BATCH;
		now = nanoseconds();
	}
	printf("sent %llu %llu\n", (unsigned long long)packets, (unsigned long long)(now - begin));
	fflush(stdout);
}

static void open_device(struct sender *s, const char *device, uint8_t *own)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET };
	socklen_t size = sizeof address;
	int one = 1;

	s->fd = socket(AF_PACKET, SOCK_RAW, 0);
	address.sll_ifindex = (int)if_nametoindex(device);
	if (s->fd < 0 || !address.sll_ifindex || bind(s->fd, (struct sockaddr *)&address, sizeof address))
		fail(device);
	if (getsockname(s->fd, (struct sockaddr *)&address, &size))
		fail("getsockname");
	memcpy(own, address.sll_addr, ETH_ALEN);
	if (setsockopt(s->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one))
		fail("PACKET_QDISC_BYPASS");
}

static void pin(int cpu)
{
	struct sched_param parameters = { .sched_priority = 1 };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set))
		fail("sched_setaffinity");
	/* Keeps other work off the core while we measure. Where it is not allowed, the spread tells. */
	(void)sched_setscheduler(0, SCHED_FIFO, &parameters);
}

int main(int argc, char **argv)
{
	static struct sender s;
	struct ether_addr *router;
	uint8_t own[ETH_ALEN];
	char line[64];

	if (argc != 8 || !(router = ether_aton(argv[2]))) {
		fprintf(stderr, "usage: bench-sender DEVICE ROUTER-MAC GHOST FIRST-CLIENT CLIENTS PORT CPU\n");
		return 2;
	}
	s.family = strchr(argv[3], ':') ? AF_INET6 : AF_INET;
	s.clients = (uint32_t)strtoul(argv[5], NULL, 10);
	if (!s.clients || inet_pton(s.family, argv[3], s.ghost) != 1 || inet_pton(s.family, argv[4], s.first_client) != 1) {
		fprintf(stderr, "bench-sender: two addresses of one family and at least one client, please\n");
		return 2;
	}
	open_device(&s, argv[1], own);
	for (int i = 0; i < BATCH; i++) {
		prepare_frame(&s, s.frames[i] + ALIGN, own, router->ether_addr_octet, (uint16_t)atoi(argv[6]));
		s.vectors[i] = (struct iovec){ s.frames[i] + ALIGN, s.length };
		s.messages[i].msg_hdr = (struct msghdr){ .msg_iov = &s.vectors[i], .msg_iovlen = 1 };
	}
	pin(atoi(argv[7]));
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin)) {
		unsigned long duration;

		if (sscanf(line, "run %lu", &duration) == 1)
			send_for(&s, duration * 1000000u);
	}
	return 0;
}
