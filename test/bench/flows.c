/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "flows.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <string.h>

static uint32_t sum_words(const uint8_t *data, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < length; i += 2)
		sum += (uint32_t)data[i] << 8 | data[i + 1];
	return sum;
}

static void describe_v4(struct flows *flows, const struct in_addr *to, const struct in_addr *first, uint16_t port)
{
	struct iphdr *ip = (struct iphdr *)(flows->frame + ETH_HLEN);
	struct udphdr *udp = (struct udphdr *)(ip + 1);

	flows->headers = ETH_HLEN + sizeof *ip + sizeof *udp;
	ip->version = 4;
	ip->ihl = 5;
	ip->ttl = 64;
	ip->protocol = IPPROTO_UDP;
	ip->tot_len = htons((uint16_t)(flows->length - ETH_HLEN));
	ip->daddr = to->s_addr;
	udp->dest = htons(port);
	/* No checksum, which IPv4 allows (RFC 768). */
	udp->len = htons((uint16_t)(flows->length - ETH_HLEN - sizeof *ip));
	flows->address_at = ETH_HLEN + offsetof(struct iphdr, saddr);
	flows->first_address = ntohl(first->s_addr);
	flows->port_at = ETH_HLEN + sizeof *ip + offsetof(struct udphdr, source);
	flows->checksum_at = ETH_HLEN + offsetof(struct iphdr, check);
	flows->checksum_base = sum_words((const uint8_t *)ip, sizeof *ip);
	flows->checksum_covers_port = false;
}

static void describe_v6(struct flows *flows, const struct in6_addr *to, const struct in6_addr *first, uint16_t port)
{
	struct ip6_hdr *ip = (struct ip6_hdr *)(flows->frame + ETH_HLEN);
	struct udphdr *udp = (struct udphdr *)(ip + 1);
	/* The lower half of the network's 64 bits. */
	size_t counted = 4;
	uint16_t datagram;
	uint32_t word;

	flows->headers = ETH_HLEN + sizeof *ip + sizeof *udp;
	if (flows->length < flows->headers)
		flows->length = flows->headers;
	datagram = (uint16_t)(flows->length - ETH_HLEN - sizeof *ip);
	ip->ip6_flow = htonl(6u << 28);
	ip->ip6_plen = htons(datagram);
	ip->ip6_nxt = IPPROTO_UDP;
	ip->ip6_hlim = 64;
	ip->ip6_dst = *to;
	ip->ip6_src = *first;
	memcpy(&word, (const uint8_t *)first + counted, sizeof word);
	memset((uint8_t *)&ip->ip6_src + counted, 0, sizeof word);
	udp->dest = htons(port);
	udp->len = htons(datagram);
	flows->address_at = ETH_HLEN + offsetof(struct ip6_hdr, ip6_src) + counted;
	flows->first_address = ntohl(word);
	flows->port_at = ETH_HLEN + sizeof *ip + offsetof(struct udphdr, source);
	flows->checksum_at = ETH_HLEN + sizeof *ip + offsetof(struct udphdr, check);
	/* Both addresses, the datagram, and the rest of the pseudo header (RFC 8200 §8.1). */
	flows->checksum_base =
		sum_words((const uint8_t *)&ip->ip6_src, 32 + sizeof *udp) + IPPROTO_UDP + datagram;
	flows->checksum_covers_port = true;
}

bool describe_flows(struct flows *flows, const char *to, const char *first, uint32_t clients, uint16_t port,
		    const uint8_t *to_mac, const uint8_t *from_mac, size_t size)
{
	struct ether_header *ether = (struct ether_header *)flows->frame;
	struct in_addr to4, first4;
	struct in6_addr to6, first6;

	memset(flows, 0, sizeof *flows);
	flows->clients = clients;
	flows->length = size - CHECK_SEQUENCE;
	memcpy(ether->ether_dhost, to_mac, ETH_ALEN);
	memcpy(ether->ether_shost, from_mac, ETH_ALEN);
	if (inet_pton(AF_INET, to, &to4) == 1 && inet_pton(AF_INET, first, &first4) == 1) {
		ether->ether_type = htons(ETHERTYPE_IP);
		describe_v4(flows, &to4, &first4, port);
		return true;
	}
	if (inet_pton(AF_INET6, to, &to6) == 1 && inet_pton(AF_INET6, first, &first6) == 1) {
		ether->ether_type = htons(ETHERTYPE_IPV6);
		describe_v6(flows, &to6, &first6, port);
		return true;
	}
	return false;
}

void write_frame(const struct flows *flows, struct position *position, uint8_t *frame)
{
	uint32_t client = position->next;
	uint32_t address = flows->first_address + client;
	uint16_t port = (uint16_t)(FIRST_PORT + (client * PORT_FACTOR & PORT_MASK));
	uint32_t sum = flows->checksum_base + (address >> 16) + (address & 0xffff);
	uint32_t address_in_frame = htonl(address);
	uint16_t port_in_frame = htons(port), checksum;

	position->next += position->step;
	if (position->next >= flows->clients)
		position->next -= flows->clients;
	if (flows->checksum_covers_port)
		sum += port;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	checksum = htons((uint16_t)~sum);
	/* Where UDP's checksum comes to nought, all ones stand for it (RFC 768). */
	if (flows->checksum_covers_port && !checksum)
		checksum = 0xffff;
	memcpy(frame + flows->address_at, &address_in_frame, sizeof address_in_frame);
	memcpy(frame + flows->port_at, &port_in_frame, sizeof port_in_frame);
	memcpy(frame + flows->checksum_at, &checksum, sizeof checksum);
}
